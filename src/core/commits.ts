import { FieldError, SessionEndedError } from './errors.ts'
import { checkSizes } from './fields.ts'
import { follow } from './follow.ts'
import type { Operations } from './operations.ts'
import type { Changes, Committed, IncrementRefused, Ok, SessionRef, StoreCall, TouchRule } from './store.ts'
import { counting, type SeenRef, touchIsDue } from './touches.ts'

/** No changes: what a commit with none of one kind is built from. */
export const NO_CHANGES: Changes = {
  set: new Map(),
  remove: [],
  increments: [],
  replace: false,
  idleTimeout: null,
  requests: 0,
}

/** So many fields a plain write sets at most. */
const PLAIN = 1000

/**
 * Writes changes to a session, all or nothing.
 * @param ref with what is known of the session: then most commits are a plain write, and count their request later
 * @returns with the session's id by now: it may have been rotated
 * @throws SessionEndedError, FieldError (increments, too large), StoreError
 */
export async function commit(
  operations: Operations,
  ref: SessionRef | SeenRef,
  changes: Changes,
  touch: TouchRule = operations.settings.touch,
): Promise<Committed & { id: string }> {
  const { store, maxValueBytes } = operations.settings
  checkSizes(changes.set, maxValueBytes) // guard: value size
  const send = (requests: number, call: StoreCall) =>
    follow<Ok<Committed> | IncrementRefused>(ref, call, (at) => store.commit(at, { ...changes, requests }, touch, call))
  const known = 'lastAccessedAt' in ref && isPlain(changes, ref, { store, touch }) ? ref.lastAccessedAt : null
  const { reply, id } =
    known === null
      ? await counting(operations.requests, ref.id, changes.requests, (requests) =>
          operations.call('commit', (call) => send(requests, call)),
        )
      : await operations.call('commit', async (call) => {
          const isWritten = await store.write(ref.id, changes.set, call)
          return isWritten ? { reply: writtenAt(known), id: ref.id } : send(0, call)
        })
  if (reply.status === 'ended') throw new SessionEndedError() // guard: ended
  if (reply.status !== 'ok') throw incrementRefused(reply)
  return { ...reply, id }
}

/** Whether a commit does nothing but to set fields, as far as is known, and so many that a script takes them at once. */
function isPlain(
  { set, remove, increments, replace, idleTimeout, requests }: Changes,
  ref: SeenRef,
  settings: Parameters<typeof touchIsDue>[0],
): boolean {
  if (set.size > PLAIN) return false // guard: many fields
  if (remove.length > 0) return false // guard: removals
  if (increments.length > 0) return false // guard: increments
  if (replace) return false // guard: all data
  if (idleTimeout !== null) return false // guard: idle timeout
  if (touchIsDue(settings, ref)) return false // guard: touch due
  return set.size > 0 && requests === 0
}

function writtenAt(lastAccessedAt: number): Ok<Committed> {
  return { status: 'ok', lastAccessedAt, increments: [] }
}

function incrementRefused({ status, field }: IncrementRefused): FieldError {
  return status === 'not-integer'
    ? new FieldError(
        'ERR_FIELD_NOT_INTEGER',
        field,
        `The field '${field}' holds no integer, so it cannot be incremented.`,
      )
    : new FieldError('ERR_FIELD_RANGE', field, `The increment would take the field '${field}' past ±(2^53 − 1).`)
}
