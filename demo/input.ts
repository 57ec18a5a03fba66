import { InputError } from './errors.ts'

/** The longest user name, in characters as JavaScript counts them. */
export const LONGEST_NAME = 64

/**
 * Reads the user name of a form. None is `Guest`.
 * @throws InputError
 */
export function readUsername(body: unknown): string {
  const value = field(body, 'username') ?? ''
  if (typeof value !== 'string') throw new InputError('The user name must be text, given once.')
  const name = value.trim()
  if (name.length > LONGEST_NAME) throw new InputError(`The user name must have at most ${LONGEST_NAME} characters.`)
  return name || 'Guest'
}

/**
 * Reads a time to live in seconds.
 * @param missing what holds where none is given
 * @throws InputError
 */
export function readTtl(body: unknown, lifetime: number, missing?: number): number {
  const value = field(body, 'ttl') ?? missing
  const text = typeof value === 'string' || typeof value === 'number' ? String(value).trim() : ''
  const ttl = /^\d+$/.test(text) ? Number(text) : 0
  if (ttl < 1) throw new InputError('The TTL must be a whole number of seconds above 0.')
  if (ttl > lifetime) {
    throw new InputError(`The TTL must not exceed the lifetime of a session, ${lifetime} seconds.`)
  }
  return ttl
}

/** A field of a form or of a JSON object. */
export function field(body: unknown, name: string): unknown {
  if (body === undefined) return undefined
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new InputError('Send a form, or a JSON object.')
  }
  return Object.hasOwn(body, name) ? (body as Record<string, unknown>)[name] : undefined
}
