import { isId } from '../../core/token.ts'

/**
 * What stands for a session where all are listed: `id:` and the id under which it is kept. It can be shown and ends the session,
 * but reads and writes none: no cookie made of it, with whatever secret, leads anywhere.
 */
const HEAD = 'id:'

export function handleOf(id: string): string {
  return HEAD + id
}

export function isHandle(text: unknown): boolean {
  return idOfHandle(text) !== null
}

/** The id that a handle stands for; `null`: it is no handle. */
export function idOfHandle(text: unknown): string | null {
  if (typeof text !== 'string' || !text.startsWith(HEAD)) return null
  const id = text.slice(HEAD.length)
  return isId(id) ? id : null
}
