import { giveUp } from './deadline.ts'
import { ignored } from './ignored.ts'
import { pause } from './pause.ts'
import type { Ended, Moved, NotDone, SessionRef, StoreCall } from './store.ts'

/** What the store said, and the session's id by now: it may have been rotated. */
export interface At<T> {
  readonly reply: T
  readonly id: string
}

/** Calls again with the successor's id when the session turns out to have been rotated. */
export async function follow<Reply extends { status: string }>(
  ref: SessionRef,
  call: StoreCall,
  act: (ref: SessionRef) => Promise<Reply | NotDone>,
): Promise<At<Reply | Ended>> {
  let at = ref
  while (true) {
    const reply = await unsealed<Reply>(call, () => act(at))
    if (reply.status !== 'moved') return { reply: reply as Reply | Ended, id: at.id }
    if (call.expired) giveUp(call) // guard: deadline
    at = { id: (reply as Moved).to, userId: ref.userId }
  }
}

/** Calls again while a login is taking the session over, as long as the deadline lasts; then the session has ended. */
export async function unsealed<Reply extends { status: string }>(
  call: StoreCall,
  act: () => Promise<Reply | NotDone>,
): Promise<Reply | Ended | Moved> {
  for (let wait = 5; !call.expired; wait = Math.min(2 * wait, 50)) {
    const reply = await act()
    if (reply.status !== 'sealed') return reply as Reply | Ended | Moved
    // Cut short when the call has expired, which is checked next.
    await pause(wait, undefined, { signal: call.signal }).catch(ignored)
  }
  return { status: 'ended' }
}
