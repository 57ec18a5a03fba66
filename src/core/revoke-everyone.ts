import type { Operations } from './operations.ts'
import type { Note, SessionRef } from './store.ts'
import { tags } from './tags.ts'

/** So many sessions are ended at a time: enough to fill the connection, few enough to leave room for requests. */
const BATCH = 100

/** Ends every session, one partition after the other, after logins under way have been refused everywhere. */
export async function revokeEveryone(operations: Operations, note: Note): Promise<number> {
  const { store } = operations.settings
  await operations.call('revokeEveryone', (call) => store.revokeLogins(call))
  let ended = 0
  for (const partition of tags.keys()) {
    const refs = await operations.call('revokeEveryone', (call) => store.partition(partition, call))
    for (let i = 0; i < refs.length; i += BATCH) {
      const done = await Promise.all(refs.slice(i, i + BATCH).map((ref) => end(operations, ref, note)))
      ended += done.filter(Boolean).length
    }
  }
  return ended
}

/** A session that is not there any more may have got another id since it was listed, and no grace for the old one. */
async function end(operations: Operations, ref: SessionRef, note: Note): Promise<boolean> {
  for (let at: SessionRef | null = ref; at !== null; at = await operations.trace(at.id)) {
    if (await operations.destroy(at, note)) return true
  }
  return false
}
