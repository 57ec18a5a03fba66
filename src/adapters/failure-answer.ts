import { STATUS_CODES } from 'node:http'
import { CoatcheckError } from '../core/errors.ts'
import { refusalOf } from './session-keeper.ts'

/**
 * The answer to a request whose handler has failed. What is ours we have words for. Of what is not, the client learns no more
 * than the status that the error asks for.
 */
export function failureOf(error: unknown): { status: number; body: string } {
  if (error instanceof CoatcheckError) return refusalOf(error)
  const { status, statusCode = status } = (error ?? {}) as { status?: unknown; statusCode?: unknown }
  const known = Number.isInteger(statusCode) && Number(statusCode) >= 400 && Number(statusCode) < 600
  const answered = known ? Number(statusCode) : 500
  return { status: answered, body: JSON.stringify({ error: STATUS_CODES[answered] ?? 'Error' }) }
}
