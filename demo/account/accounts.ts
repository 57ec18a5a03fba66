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
    password: { salt: 'nK1e_KiB4JiezD3XbrOVlA', hash: 'yiFp2y7SYOKY1XmsnUNZvbLUa0ql8I8OKk6R9IMe414' },
  },
  {
    id: '1002',
    username: 'bob',
    role: 'member',
    password: { salt: 'AZ2RA6AZnASOpxcXLiOAjw', hash: 'CU3eRqan9Bso97sNj9eOOhYdjDEPI1Otx5HUBPSd2YI' },
  },
  {
    id: '1',
    username: 'admin',
    role: 'admin',
    password: { salt: 'hKGJ2F7a9RV-Cwxwk-fXDw', hash: 'JHUlAbWE6u92hlhp5x_alV6u8p56x0VAlWIlSgaA0xM' },
  },
]

/** Of a password that nobody knows. */
const NOBODYS: PasswordHash = {
  salt: 'ZCcUkuEgbvf8gk0Blvf-CQ',
  hash: '2v-D9h7qe4K8fOtymPB-Ohiv0NWg5SR_UCcPabUgRlE',
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
