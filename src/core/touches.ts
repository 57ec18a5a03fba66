import { setImmediate as nextTurn } from 'node:timers/promises'
import { follow } from './follow.ts'
import type { Operations } from './operations.ts'
import { type Settings, touchEvery } from './options.ts'
import type { RequestCounts } from './request-counts.ts'
import type { Accessed, Ended, Ok, SessionRecord, SessionRef } from './store.ts'
import { warnLater } from './warn.ts'

/** A session of which is known when it was last accessed. */
export type SeenRef = SessionRef & Pick<SessionRecord, 'lastAccessedAt' | 'idleTimeout'>

/**
 * Whether a touch is due, by this process's idea of the store's clock. A wrong guess costs one command: the store checks again.
 */
export function touchIsDue(
  { store, touch }: Pick<Settings, 'store' | 'touch'>,
  { id, lastAccessedAt, idleTimeout }: Omit<SeenRef, 'userId'>,
): boolean {
  const now = store.now(id)
  return now === null || now - lastAccessedAt >= touchEvery({ touch }, idleTimeout)
}

/** Whether the store is to be told at once of requests that no write has told it of: the count is exact then. */
export function countIsDue({ settings, requests }: Operations, { id, idleTimeout }: SessionRecord): boolean {
  return touchEvery(settings, idleTimeout) === 0 && requests.of(id) > 0
}

/**
 * Touches a session if it is due. One touch in flight per session: more would say the same, save that with a touch for every
 * request a last one counts those that came meanwhile. Fails soft, with a warning: a read never fails because its touch did.
 * @returns when it was last accessed, or `null` if that is not known
 */
export function touchSoftly(operations: Operations, record: SessionRecord): Promise<number | null> {
  const { touching, settings } = operations
  const running = touching.get(record.id)
  if (running !== undefined) return running
  const every = touchEvery(settings, record.idleTimeout)
  // Those that are being read just now are counted with it.
  const touched = nextTurn()
    .then(() => touch(operations, record, every))
    .then(
      (reply) => (reply.status === 'ok' ? reply.lastAccessedAt : null),
      (error: unknown) => {
        warnLater(({ warnOfTouch }) => warnOfTouch(error))
        return null
      },
    )
    .finally(() => touching.delete(record.id))
  touched.then((at) => {
    if (at !== null && countIsDue(operations, record)) void touchSoftly(operations, record)
  })
  touching.set(record.id, touched)
  return touched
}

/** Extends the idle expiry now. @returns whether there is such a session */
export async function touchNow(operations: Operations, ref: SessionRef): Promise<boolean> {
  return (await touch(operations, ref, 0)).status === 'ok'
}

/** @param every not if it was touched less than so many milliseconds ago */
async function touch(operations: Operations, ref: SessionRef, every: number): Promise<Ok<Accessed> | Ended> {
  const { settings, requests } = operations
  const { reply } = await counting(requests, ref.id, 0, (count) =>
    operations.call('touch', (call) =>
      follow<Ok<Accessed>>(ref, call, (at) => settings.store.touch(at, every, count, call)),
    ),
  )
  return reply
}

/** Tells the store of the requests counted since it was last told; when that failed, keeps them for the next time. */
export async function counting<T>(
  requests: RequestCounts,
  id: string,
  more: number,
  run: (count: number) => Promise<T>,
): Promise<T> {
  const count = requests.take(id)
  try {
    return await run(count + more)
  } catch (error) {
    requests.add(id, count)
    throw error
  }
}
