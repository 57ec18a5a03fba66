import { LoginRevokedError, SessionEndedError, StoreError, UserLimitError } from './errors.ts'
import { checkSizes } from './fields.ts'
import type { Operations } from './operations.ts'
import type { Created, NewSession, SessionRecord, SessionRef, StoreCall } from './store.ts'
import { idOfToken, newToken, type Token } from './token.ts'

/** A session to begin; its id is made here. */
export type CreateSession = Omit<NewSession, 'id' | 'maxPerUser'>

/** A session that has just begun, and the token that leads to it. */
export interface Started {
  readonly token: Token
  readonly record: SessionRecord
}

/**
 * Begins a session. If the answer comes after the deadline, the session that nobody will use is ended again.
 * @throws FieldError (too large), UserLimitError, LoginRevokedError, StoreError
 */
export async function create(operations: Operations, session: CreateSession): Promise<Started> {
  const { userId, fields, idleTimeout, lifetime } = session
  const token = newToken(userId)
  const id = idOfToken(token)
  const { now } = await createAs(
    operations,
    id,
    session,
    () => endUnheard(operations, { id, userId }), // guard: late create
  )
  const all = new Map(fields)
  if (userId !== null) all.set('user_id', userId)
  // An adopted session says for itself when its user logged in.
  if (userId !== null && !all.has('authenticated_at')) all.set('authenticated_at', String(now))
  const times = { createdAt: now, lastAccessedAt: now, idleTimeout, deadline: now + lifetime }
  return { token, record: { id, userId, ...times, fields: all } }
}

/**
 * Begins a session under an id that the caller has; not (`existed`) if one is there already.
 * @param late called if the session has begun, but nobody will hear of it
 * @throws SessionEndedError when the id is remembered as over; what {@link create} throws
 */
export async function createAs(
  operations: Operations,
  id: string,
  session: CreateSession,
  late?: () => void,
): Promise<Created> {
  const { settings, events, calls } = operations
  const { store, maxPerUser, maxValueBytes } = settings
  const { userId, note } = session
  checkSizes(session.fields, maxValueBytes) // guard: value size
  const send = (call: StoreCall) => unlessDone(store.create({ ...session, id, maxPerUser }, call), late)
  const reply = await calls.run('create', send, late)
  if (reply.status === 'ended') throw new SessionEndedError() // guard: ended
  if (reply.status !== 'ok') {
    events.tellOf(events.note('refused', reply.status === 'full' ? 'limit' : 'revoked'), null, userId)
    throw reply.status === 'full' ? new UserLimitError(maxPerUser.limit) : new LoginRevokedError()
  }
  const { now, existed, evicted, replaced } = reply
  if (existed) return reply
  events.tellOf(note, id, userId, now)
  const ended = { ...note, previous: null }
  for (const old of evicted) events.tellOf({ ...ended, type: 'evicted', cause: 'limit' }, old, userId, now)
  for (const old of replaced) events.tellOf({ ...ended, type: 'revoked', cause: 'device' }, old, userId, now)
  return reply
}

/** Ends a session whose token nobody has received. */
export function endUnheard(operations: Operations, { id, userId }: SessionRef): void {
  operations.destroy({ id, userId }, operations.events.note('destroyed', 'timeout')).catch(endsByItself)
}

/** Calls `undo` if what was done fails all the same: no replica has acknowledged it, and the caller gets an error. */
export async function unlessDone<T>(doing: Promise<T>, undo?: () => void): Promise<T> {
  try {
    return await doing
  } catch (error) {
    if (error instanceof StoreError && error.code === 'ERR_STORE_REPLICAS') undo?.() // guard: unacknowledged login
    throw error
  }
}

/** A session whose token nobody ever received needs no second attempt to end it: its idle timeout does. */
function endsByItself(): void {}
