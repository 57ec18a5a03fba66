import { STATUS_CODES } from 'node:http'
import { CoatcheckError, StoreError } from '../core/errors.ts'
import { type Answer, jsonAnswer } from './json-answer.ts'

/** The answer to a request that has failed: JSON, and for nobody else. */
export type FailureAnswer = Answer

/**
 * The answer to a request whose handler has failed. What is ours we have words for. Of what is not, the client learns no more
 * than the status that the error asks for.
 */
export function failureOf(error: unknown): FailureAnswer {
  if (error instanceof CoatcheckError) return refusalOf(error)
  const { status, statusCode = status } = (error ?? {}) as { status?: unknown; statusCode?: unknown }
  const known = Number.isInteger(statusCode) && Number(statusCode) >= 400 && Number(statusCode) < 600
  const answered = known ? Number(statusCode) : 500
  return jsonAnswer(answered, { error: STATUS_CODES[answered] ?? 'Error' })
}

/** The answer to a request whose changes could not be stored. */
export function refusalOf(error: unknown): FailureAnswer {
  const status = error instanceof CoatcheckError ? error.status : 500
  const more: Record<string, string> = {}
  if (error instanceof StoreError) more['Retry-After'] = error.headers['retry-after'] // guard: Retry-After
  return jsonAnswer(status, { error: REASONS[status] ?? 'Internal server error' }, more)
}

const REASONS: Record<number, string> = {
  401: 'Session expired',
  403: 'Too many sessions',
  503: 'Session store unavailable',
}
