import { hash } from 'node:crypto'
import { tags } from '../../core/tags.ts'

/**
 * The id under which the session of an express-session id (`req.sessionID`) is kept: the tag of a partition and the first 16
 * bytes of SHA-256 of the session id. Who reads the keys cannot make the cookie of any session from them. The partition comes
 * from the last byte of the digest: applications make session ids of any form (`genid`).
 */
export function idOfSid(sid: string): string {
  const digest = hash('sha256', sid, 'buffer')
  return `${tags[digest[31] as number]}${digest.toString('base64url', 0, 16)}`
}
