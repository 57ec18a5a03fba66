import { hash } from 'node:crypto'
import { byteAt, first16 } from '../../core/base64url.ts'
import { tags } from '../../core/tags.ts'

/**
 * The id under which the session of an express-session id (`req.sessionID`) is kept: the tag of a partition and the first 16
 * bytes of SHA-256 of the session id. Who reads the keys cannot make the cookie of any session from them. The partition comes
 * from the last byte of the digest: applications make session ids of any form (`genid`).
 */
export function idOfSid(sid: string): string {
  const digest = hash('sha256', sid, 'base64url')
  return `${tags[byteAt(digest, 31)]}${first16(digest)}`
}
