import { StoreError } from '../../core/errors.ts'
import { errorName, ReplyError, storeError } from '../errors.ts'

/**
 * Why nothing answers, from what a command was rejected with and from what the client last said of its connection.
 * @returns an error whose cause is the latter
 */
export function whyAway(error: unknown, trouble: Error | null): StoreError {
  const failure = error instanceof StoreError ? error : storeError(error)
  // A client that was not let in may have sent the command all the same, and hears something else for that.
  const cause = trouble ?? failure
  return new StoreError('ERR_STORE_UNAVAILABLE', `Redis cannot be asked: ${reason(cause)}.`, 'none', cause)
}

function reason(error: Error): string {
  const name = error instanceof ReplyError ? error.word : errorName(error)
  const advice = ADVICE[name] ?? (/CERT|SSL|TLS|VERIFY/.test(name) ? CERTIFICATE : undefined)
  if (advice !== undefined) return `${advice} (${name})`
  if (error instanceof ReplyError) return `it answers ${name}`
  return error instanceof StoreError ? 'it does not answer in time' : `there is no connection (${name})`
}

const CERTIFICATE =
  'its certificate is not accepted; give the client the certificate authority, and the name that it is for'

const ADVICE: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  NOAUTH: 'it wants a password, and the client has none',
  WRONGPASS: 'it refuses the user name or the password',
  NOPERM: 'the user lacks a right that the client needs to connect; docs/production.md lists all rights',
}
