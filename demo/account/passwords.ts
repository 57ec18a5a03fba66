import * as crypto from 'node:crypto'

/** A password as it is kept: nobody can read it out of this. Both in base64url. */
export interface PasswordHash {
  readonly salt: string
  readonly hash: string
}

/** Since Node.js 24.7, on which the demo runs; the types are those of Node.js 22, on which the library does. */
const { argon2 } = crypto as unknown as {
  argon2(algorithm: 'argon2id', parameters: object, callback: (error: Error | null, hash: Buffer) => void): void
}

/** The first choice of the OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB of memory (in KiB), twice, in one lane. */
const COST = { memory: 19 * 1024, passes: 2, parallelism: 1 }

/** Whether this is the password. Takes the same time either way. */
export async function isPassword(password: string, { salt, hash }: PasswordHash): Promise<boolean> {
  const expected = Buffer.from(hash, 'base64url')
  return crypto.timingSafeEqual(await derive(password, Buffer.from(salt, 'base64url'), expected.length), expected)
}

function derive(password: string, nonce: Buffer, tagLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2('argon2id', { message: password.normalize(), nonce, tagLength, ...COST }, (error, hash) =>
      error ? reject(error) : resolve(hash),
    )
  })
}
