import type { SessionStore } from '../src/index.ts'
import { memoryStore } from '../src/memory.ts'
import { Commands, evalCommand, type ScriptCall } from '../src/redis/commands.ts'
import { Keys } from '../src/redis/keys.ts'

/**
 * A memory store that says what each call would send to Redis. The commands come from the same builders that the Redis
 * store uses.
 */
export function spokenMemoryStore(wouldSend: (words: readonly string[]) => void): SessionStore {
  const store = memoryStore()
  const commands = new Commands(new Keys('session:'), true)
  const run = (script: ScriptCall) => wouldSend(evalCommand(script))
  return {
    load(id, call) {
      wouldSend(commands.load(id))
      return store.load(id, call)
    },
    touch(ref, every, call) {
      run(commands.touch(ref, every))
      return store.touch(ref, every, call)
    },
    commit(ref, changes, call) {
      run(commands.commit(ref, changes))
      return store.commit(ref, changes, call)
    },
    update(ref, field, expected, next, call) {
      run(commands.update(ref, field, expected, next))
      return store.update(ref, field, expected, next, call)
    },
    create(session, call) {
      run(commands.create(session, []))
      return store.create(session, call)
    },
    rotate(ref, to, options, call) {
      run(commands.rotate(ref, to, options))
      return store.rotate(ref, to, options, call)
    },
    destroy(ref, call) {
      run(commands.destroy(ref))
      return store.destroy(ref, call)
    },
    timeToLive(id, call) {
      wouldSend(commands.timeToLive(id))
      return store.timeToLive(id, call)
    },
    // The demo neither counts nor lists sessions.
    count: (call) => store.count(call),
    recent: (limit, call) => store.recent(limit, call),
    now: () => store.now(),
    close: () => store.close(),
  }
}
