import { type Outcome, StoreError, type StoreErrorCode } from '../core/errors.ts'

/** An error reply begins with a word in capitals. Clients name their error classes differently, so the text decides. */
const REPLY = /^([A-Z][A-Z0-9]*)(?: |$)/
/** The server cannot serve at the moment, and has done nothing. */
const AWAY = new Set(['LOADING', 'READONLY', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN', 'MISCONF', 'NOREPLICAS', 'BUSY'])
/** Of these, what passes by itself: a server that starts, a replica that has yet to be made master, slots on their way. */
const PASSING = new Set(['LOADING', 'READONLY', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN'])
/** Refused before the command ran. */
const REFUSED = new Set(['NOSCRIPT', 'NOAUTH', 'WRONGPASS', 'NOPERM', 'MOVED', 'ASK', 'CROSSSLOT'])
/** What node-redis rejects with when a command has not left the process. */
const NOT_SENT = /client is (?:closed|offline)|queue is full|command was aborted/i

/** What a connection rejects with when it has not given a command to its client. */
export class NotSentError extends Error {}

/** What a connection to several servers rejects with when there is no way to the one that holds a key, or not yet. */
export class AwayError extends NotSentError {}

/** Redis answered with an error. Only the first word of the answer is kept: the rest may quote arguments. */
export class ReplyError extends StoreError {
  /** Such as `NOSCRIPT`. */
  readonly word: string

  constructor(code: StoreErrorCode, word: string, advice: string, outcome: Outcome) {
    super(code, `Redis answered ${word}${advice}`, outcome)
    this.name = 'StoreError'
    this.word = word
  }
}

/** Whether an error is Redis's answer that begins with this word. */
export function isReply(error: unknown, word: string): boolean {
  return error instanceof ReplyError && error.word === word
}

/** Whether a command has not been carried out, and may well be if it is sent again in a moment. */
export function mayPass(error: StoreError): boolean {
  return error.cause instanceof AwayError || (error instanceof ReplyError && PASSING.has(error.word))
}

/** What an error is called, in a word: none of them holds an argument. */
export function errorName(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown }
  return String(code ?? wordOf(error) ?? name)
}

function wordOf(error: unknown): string | undefined {
  return error instanceof Error ? REPLY.exec(error.message)?.[1] : undefined
}

/** What a Redis client rejected with, as ours. */
export function storeError(error: unknown): StoreError {
  const word = wordOf(error)
  return word === undefined ? unavailable(error) : refused(word)
}

function refused(word: string): ReplyError {
  if (word === 'OOM') {
    const advice = ': it is out of memory, and nothing was written. Raise maxmemory; keep maxmemory-policy noeviction.'
    return new ReplyError('ERR_STORE_FULL', word, advice, 'none')
  }
  if (AWAY.has(word)) return new ReplyError('ERR_STORE_UNAVAILABLE', word, ': it cannot serve just now.', 'none')
  return new ReplyError('ERR_STORE_REPLY', word, '.', REFUSED.has(word) ? 'none' : 'unknown')
}

function unavailable(error: unknown): StoreError {
  const notSent = error instanceof NotSentError || (error instanceof Error && NOT_SENT.test(error.message))
  const hint = notSent ? 'The command was not sent.' : 'Whether the command was carried out is unknown.'
  const reason = error instanceof AwayError ? error.message : 'There is no connection to Redis'
  return new StoreError('ERR_STORE_UNAVAILABLE', `${reason}. ${hint}`, notSent ? 'none' : 'unknown', error)
}
