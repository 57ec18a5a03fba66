import { type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'

/** A password as it is kept: nobody can read it out of this. Both in base64url. */
export interface PasswordHash {
  readonly salt: string
  readonly hash: string
}

/** 16 MiB of memory, and a tenth of a second or two: one of the settings of the OWASP Password Storage Cheat Sheet. */
const COST: ScryptOptions = { N: 2 ** 14, r: 8, p: 5 }

/** Whether this is the password. Takes the same time either way. */
export async function isPassword(password: string, { salt, hash }: PasswordHash): Promise<boolean> {
  const expected = Buffer.from(hash, 'base64url')
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'base64url'), expected.length), expected)
}

function derive(password: string, salt: Buffer, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize(), salt, length, COST, (error, key) => (error ? reject(error) : resolve(key)))
  })
}
