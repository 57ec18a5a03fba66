import type { ErrorRequestHandler, RequestHandler } from 'express'
import { CoatcheckError, SessionEndedError, StoreError } from '../src/index.ts'

/** 400: what was sent cannot be used. Nothing was changed. */
export class InputError extends Error {
  readonly status = 400
}

/** 401: the route needs a session. */
export class NoSessionError extends Error {
  readonly status = 401

  /** @param ended the browser came with the ticket of a session that has ended */
  constructor(ended: boolean) {
    super(ended ? 'Session expired' : 'No active session')
  }
}

export const notFound: RequestHandler = (_req, res) => {
  res.status(404).json({ error: 'Not found' })
}

/** Every error is JSON with the status that fits; only a mistake of the demo itself is logged. */
export const answerErrors: ErrorRequestHandler = (error, _req, res, next) => {
  if (res.headersSent) {
    next(error)
    return
  }
  const { status, message } = describe(error)
  if (status === 500) console.error(error)
  // When to try again.
  if (error instanceof StoreError) res.set(error.headers)
  res.status(status).json({ error: message })
}

function describe(error: unknown): { status: number; message: string } {
  if (error instanceof InputError || error instanceof NoSessionError) return error
  if (error instanceof SessionEndedError) return new NoSessionError(true)
  if (error instanceof CoatcheckError) return error
  return fromBodyParser(error) ?? { status: 500, message: 'Internal error' }
}

/** The body parsers give their errors a type; their messages quote what was sent. */
function fromBodyParser(error: unknown): { status: number; message: string } | null {
  const { status, type } = error as { status?: unknown; type?: unknown }
  if (typeof status !== 'number' || status >= 500) return null
  const message = type === 'entity.too.large' ? 'The body is too large' : 'The request cannot be read'
  return { status, message: type === 'entity.parse.failed' ? 'The body is not valid JSON' : message }
}
