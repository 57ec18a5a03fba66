import { endUnheard, type Started, unlessDone } from './creations.ts'
import { SessionEndedError } from './errors.ts'
import { follow, unsealed } from './follow.ts'
import type { Operations } from './operations.ts'
import type { Settings } from './options.ts'
import type { Accessed, Ok, Rotation, SessionRecord, SessionRef, StoreCall } from './store.ts'
import { idOfToken, newTokenBeside, type Token } from './token.ts'

/** A rotation, less what the configuration says. */
type Renewal = Pick<Rotation, 'note' | 'renew' | 'set' | 'remove'>

/** Whether a session is due for a new token. */
export function rotationIsDue({ rotateEvery, store }: Settings, record: SessionRecord | null): boolean {
  if (record === null || rotateEvery === null) return false
  const now = store.now(record.id)
  return now !== null && now - Number(record.fields.get('_rotated_at') ?? record.createdAt) >= rotateEvery
}

/**
 * Gives a session a new token. A session that another request has just rotated is not rotated again: its response
 * carries the new token, and this one has none to give.
 * @returns the session's id and its new token, or `null` in place of it
 * @throws SessionEndedError, StoreError
 */
export function rotate(
  operations: Operations,
  ref: SessionRef,
  cause = 'rotate',
): Promise<{ id: string; token: Token | null; lastAccessedAt: number }> {
  const { settings, events } = operations
  const { store, rotationGrace: grace, reuseWindow } = settings
  const token = newTokenBeside(ref.id)
  const id = idOfToken(token)
  const note = events.note('rotated', cause, ref.userId, ref.id)
  const rotation = { grace, reuseWindow, renew: null, set: new Map(), remove: [], note }
  return operations.call('rotate', async (call) => {
    const reply = await unsealed<Ok<Accessed>>(call, () => store.rotate(ref, id, rotation, call))
    if (reply.status === 'ok') {
      moved(operations, ref.id, id)
      events.tellOf(note, id, ref.userId, reply.lastAccessedAt)
      return { id, token, lastAccessedAt: reply.lastAccessedAt }
    }
    // The successor may have been rotated again, or have ended.
    const successor = reply.status === 'moved' ? await store.load(reply.to, null, call) : null
    if (successor === null || 'status' in successor) throw new SessionEndedError() // guard: ended
    return { id: successor.id, token: null, lastAccessedAt: successor.lastAccessedAt }
  })
}

/**
 * Gives a session a new token, from now on the only one (no grace), and changes coatcheck's own fields in the same step.
 * @returns the session as it is now; `null` if it has ended
 */
export async function replaceToken(
  operations: Operations,
  record: SessionRecord,
  renewal: Renewal,
): Promise<Started | null> {
  const { settings, events } = operations
  const { store, reuseWindow } = settings
  const token = newTokenBeside(record.id)
  const id = idOfToken(token)
  const { renew, set, remove } = renewal
  const note = (at: SessionRef) => ({ ...renewal.note, previous: at.id })
  const replace = (at: SessionRef, call: StoreCall) =>
    store.rotate(at, id, { ...renewal, grace: 0, reuseWindow, note: note(at) }, call)
  const { reply, id: previous } = await operations.call('rotate', (call) =>
    follow<Ok<Accessed>>(record, call, (at) =>
      unlessDone(replace(at, call), () => endUnheard(operations, { ...record, id })),
    ),
  )
  if (reply.status === 'ended') return null
  const now = reply.lastAccessedAt
  moved(operations, previous, id)
  events.tellOf(note({ id: previous, userId: record.userId }), id, record.userId, now)
  const fields = new Map([...record.fields, ...set])
  for (const field of remove) fields.delete(field)
  const times = renew && { createdAt: now, idleTimeout: renew.idleTimeout, deadline: now + renew.lifetime }
  if (renew !== null) fields.set('authenticated_at', String(now))
  return { token, record: { ...record, ...times, id, lastAccessedAt: now, fields } }
}

/** A session has another id: what was counted goes with it. */
function moved({ requests }: Operations, from: string, to: string): void {
  requests.add(to, requests.take(from))
}
