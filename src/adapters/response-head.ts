import type { ServerResponse } from 'node:http'
import { isObject } from '../core/kinds.ts'
import { streamOf } from './http2.ts'

/**
 * Puts what `writeHead(status, [message], [headers])` was given in place on the response, so that a header can still be
 * added. Headers come as an object, as a flat array of names and values, or as an array of pairs. The status has been checked.
 */
export function applyHead(res: ServerResponse, args: unknown[]): void {
  const [status, second, third] = args
  res.statusCode = Number(status)
  const hasMessage = typeof second === 'string'
  if (hasMessage) setMessage(res, second)
  const headers = hasMessage ? third : (second ?? third)
  if (Array.isArray(headers)) {
    const flat: unknown[] = Array.isArray(headers[0]) ? headers.flat() : headers
    if (flat.length % 2 !== 0) throw nodeError(TypeError, 'ERR_INVALID_ARG_VALUE', 'A header has a name and no value')
    for (let i = 0; i < flat.length; i += 2) res.removeHeader(String(flat[i]))
    for (let i = 0; i < flat.length; i += 2) res.appendHeader(String(flat[i]), flat[i + 1] as string)
  } else if (isObject(headers)) {
    setHeaders(res, headers as Record<string, string>)
  }
}

/** Sets each of them; the others stay. */
export function setHeaders(res: ServerResponse, headers: Readonly<Record<string, string | number>>): void {
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
}

/** http2 has no such thing, and warns of whoever asks. */
function setMessage(res: ServerResponse, message: string): void {
  if (streamOf(res) === undefined) res.statusMessage = message
}

/** A status that Node would refuse later must be refused now, while the error still reaches the handler. */
export function checkStatus(status: unknown): void {
  const code = Number(status)
  if (code >= 100 && code < 1000) return
  throw nodeError(RangeError, 'ERR_HTTP_INVALID_STATUS_CODE', `Invalid status code: ${String(status)}`)
}

/** What Node throws when a header is set too late. */
export function headersSentError(what: 'set' | 'write'): Error {
  return nodeError(Error, 'ERR_HTTP_HEADERS_SENT', `Cannot ${what} headers after they are sent to the client`)
}

/** An error as Node's own http module throws it. */
export function nodeError(Kind: ErrorConstructor, code: string, message: string): Error {
  return Object.assign(new Kind(message), { code })
}

/** Under which a response has the session cookies that it carries; there are two when two sets of sessions serve one request. */
export const COOKIES: unique symbol = Symbol('coatcheck')

type Carrying = ServerResponse & { [COOKIES]?: string[] | undefined }

/** Adds a session cookie beside the cookies of the application. */
export function addSessionCookie(res: Carrying, cookie: string): void {
  res[COOKIES] = [...(res[COOKIES] ?? []), cookie]
  res.appendHeader('Set-Cookie', cookie)
}

/** Begins the head anew: nothing of it stays but the session cookies, which say what has happened in a store. */
export function replaceHead(res: Carrying, status: number, headers: Record<string, string | number>): void {
  for (const name of res.getHeaderNames()) res.removeHeader(name) // guard: nothing of the old head
  res.statusCode = status
  setMessage(res, '')
  setHeaders(res, headers)
  for (const cookie of res[COOKIES] ?? []) res.appendHeader('Set-Cookie', cookie) // guard: session cookies stay
}

/** Status and message stay what they are. Returns how to put them back. */
export function keepStatus(res: ServerResponse): () => void {
  const { statusCode } = res
  const message = streamOf(res) === undefined ? res.statusMessage : ''
  return () => {
    res.statusCode = statusCode // guard: frozen status
    setMessage(res, message)
  }
}
