import { hash, randomBytes } from 'node:crypto'
import { byteAt, first16 } from './base64url.ts'
import { LONGEST_USER_ID } from './bounds.ts'
import { ArgumentError, must } from './errors.ts'
import { isText } from './kinds.ts'
import { isTag, tags } from './tags.ts'

/**
 * The secret in the cookie: 32 random bytes in base64url, 43 characters. The first byte is its partition, the other
 * 248 bits are secret (OWASP asks for at least 64, ASVS 5.0 item 7.2.3 for at least 128).
 */
export type Token = string

const TOKEN_BYTES = 32
// 43 characters carry 258 bits, 32 bytes have 256: in the canonical form the last character's two low bits are zero.
const TOKEN = /^[\w-]{42}[AEIMQUYcgkosw048]$/
// Likewise the 22 characters after an id's tag carry 132 bits, 16 bytes have 128: four low bits are zero.
const ID = /^[\w-]{23}[AQgw]$/

/** A new token, in the partition of `userId`, or in a random one. */
export function newToken(userId?: string | null): Token {
  return tokenIn(userId == null ? null : partitionOfUser(userId))
}

/** A new token in the partition of the session with this id: rotation stays where the session is. */
export function newTokenBeside(id: string): Token {
  return tokenIn(tags.indexOf(tagOf(id)))
}

function tokenIn(partition: number | null): Token {
  const bytes = randomBytes(TOKEN_BYTES)
  if (partition !== null) bytes[0] = partition
  return bytes.toString('base64url')
}

/** Whether `text` is a canonical token: one spelling only, so that a cookie that differs is not looked up at all. */
export function isToken(text: unknown): text is Token {
  return typeof text === 'string' && TOKEN.test(text)
}

/** The public id of a token's session: the partition's tag and the first 16 bytes of SHA-256 of the token string. */
export function idOfToken(token: Token): string {
  const digest = hash('sha256', token, 'base64url')
  return `${tags[byteAt(token, 0)]}${first16(digest)}`
}

/** Whether `text` has the form of a session id; what has not is never sent to the store. */
export function isId(text: unknown): text is string {
  return typeof text === 'string' && ID.test(text) && isTag(tagOf(text))
}

/** The tag at the head of an id. */
export function tagOf(id: string): string {
  return id.slice(0, 2)
}

/** The tag at the head of the ids of a user's sessions. */
export function tagOfUser(userId: string): string {
  return tags[partitionOfUser(userId)] as string
}

/** The partition of a user: the first byte of SHA-256 of the user id. */
export function partitionOfUser(userId: string): number {
  return hash('sha256', userId, 'buffer')[0] as number
}

/**
 * Checks a user id: a well-formed string of 1 to 256 bytes in UTF-8.
 * @throws ArgumentError
 */
export function checkUserId(userId: unknown): string {
  must(
    isText(userId, LONGEST_USER_ID) && Buffer.byteLength(userId) <= LONGEST_USER_ID,
    `A user id must be a well-formed string of 1 to ${LONGEST_USER_ID} bytes. Pass a number as String(id).`,
    ArgumentError,
  )
  return userId
}
