import { isPassword, type PasswordHash } from './passwords.ts'

/** Somebody who can log in. */
export interface Account {
  readonly id: string
  readonly username: string
  readonly role: 'member' | 'admin'
  readonly password: PasswordHash
}

/** An application has these in its database. Their passwords are on the page. */
const ACCOUNTS: readonly Account[] = [
  {
    id: '1001',
    username: 'alice',
    role: 'member',
    password: { salt: 'RkuqGFyO6pO38zKaQDhpBA', hash: 'mlYtSlh1M6bYG1z9X9Yr2D31ZjDB6zFTeoGrvLNDIu0' },
  },
  {
    id: '1002',
    username: 'bob',
    role: 'member',
    password: { salt: 'qQzPh4CXXLWekZ9HKyx_xA', hash: 'WuWpz5PahBTuX3fQ_9cDXfyqamV032ZrwXVUbgK1C6E' },
  },
  {
    id: '1',
    username: 'admin',
    role: 'admin',
    password: { salt: 'bi-tzqmDtGoDcoJmZao4-g', hash: '5aq6zF7ha9a_wU1-2nIcnpRwYrfgqZwVxV16UNMrF9s' },
  },
]

/** Of a password that nobody knows. */
const NOBODYS: PasswordHash = {
  salt: 'uZ8o1Df8kkNaBxvu0QFg7g',
  hash: 'uERkN3JYDMmL4LTJpr_bs6kd91_GDUaZarPu105TJtc',
}

export function accountOf(userId: string): Account | null {
  return ACCOUNTS.find(({ id }) => id === userId) ?? null
}

/** @returns whose name and password these are, or `null` */
export async function authenticate(username: string, password: string): Promise<Account | null> {
  const account = ACCOUNTS.find((each) => each.username === username)
  // A name that nobody has costs the same time as a wrong password, or else the time would tell which names there are.
  const isRight = await isPassword(password, account?.password ?? NOBODYS)
  return isRight && account !== undefined ? account : null
}
