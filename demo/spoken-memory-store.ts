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
    load(id, reuse, call) {
      wouldSend(commands.load(id))
      return store.load(id, reuse, call)
    },
    touch(ref, every, requests, call) {
      run(commands.touch(ref, every, requests))
      return store.touch(ref, every, requests, call)
    },
    write(id, set, call) {
      run(commands.write(id, set))
      return store.write(id, set, call)
    },
    commit(ref, changes, touch, call) {
      run(commands.commit(ref, changes, touch))
      return store.commit(ref, changes, touch, call)
    },
    update(ref, field, expected, next, touch, call) {
      run(commands.update(ref, field, expected, next, touch))
      return store.update(ref, field, expected, next, touch, call)
    },
    create(session, call) {
      run(commands.create(session, session.userId === null ? null : store.now(), []))
      return store.create(session, call)
    },
    rotate(ref, to, rotation, call) {
      run(commands.rotate(ref, to, rotation))
      return store.rotate(ref, to, rotation, call)
    },
    seal(ref, by, ms, call) {
      run(commands.seal(ref, by, ms))
      return store.seal(ref, by, ms, call)
    },
    release(ref, by, pointer, note, call) {
      run(commands.release(ref, by, pointer, note))
      return store.release(ref, by, pointer, note, call)
    },
    destroy(ref, note, call, remember) {
      run(commands.destroy(ref, note, remember))
      return store.destroy(ref, note, call, remember)
    },
    revokeUser(userId, keep, note, call) {
      run(commands.revokeUser(userId, keep, [], true, note))
      return store.revokeUser(userId, keep, note, call)
    },
    setUserRoles(userId, roles, note, call) {
      run(commands.setUserRoles(userId, roles, [], true, note))
      return store.setUserRoles(userId, roles, note, call)
    },
    timeToLive(id, call) {
      wouldSend(commands.timeToLive(id))
      return store.timeToLive(id, call)
    },
    // Not shown: what only lists and counts.
    listUser: (userId, call) => store.listUser(userId, call),
    revokeLogins: (call) => store.revokeLogins(call),
    partition: (partition, call) => store.partition(partition, call),
    count: (call) => store.count(call),
    countUsers: (call) => store.countUsers(call),
    countByIdleAge: (limits, call) => store.countByIdleAge(limits, call),
    recent: (limit, page, call) => store.recent(limit, page, call),
    subscribe: (listener, missed) => store.subscribe(listener, missed),
    now: () => store.now(),
    close: () => store.close(),
  }
}
