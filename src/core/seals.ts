import { follow } from './follow.ts'
import type { Operations } from './operations.ts'
import type { Note, Ok, SessionRecord, SessionRef } from './store.ts'
import { newToken } from './token.ts'

/** For so long, in milliseconds, nobody can write to a session but whoever has sealed it. */
const SEAL = 2000

/** A session as it was when it was sealed, and whose seal it bears. */
export interface Sealed {
  readonly record: SessionRecord
  readonly by: string
}

/** Hands a session to whoever takes it over: a login, an adoption. `null`: it has ended. */
export async function seal(operations: Operations, ref: SessionRef): Promise<Sealed | null> {
  const by = newToken()
  const { store } = operations.settings
  const { reply } = await operations.call('seal', (call) =>
    follow<Ok<{ record: SessionRecord }>>(ref, call, (at) => store.seal(at, by, SEAL, call)),
  )
  return reply.status === 'ok' ? { record: reply.record, by } : null
}

/** Gives a sealed session back. */
export async function unseal(operations: Operations, ref: SessionRef, by: string): Promise<void> {
  await operations.call('unseal', (call) => operations.settings.store.seal(ref, by, 0, call))
}

/** Ends a sealed session. @returns `false` if the seal has not held: then nothing was done */
export async function release(operations: Operations, ref: SessionRef, by: string, note: Note): Promise<boolean> {
  const { store } = operations.settings
  const { status } = await operations.call('release', (call) => store.release(ref, by, null, note, call))
  if (status === 'ok') operations.events.tellOf(note, ref.id, ref.userId, null)
  return status !== 'lapsed'
}
