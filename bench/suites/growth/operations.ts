import type { SessionRef, TouchRule } from '../../../src/core/store.ts'
import { idOfToken, newTokenBeside } from '../../../src/core/token.ts'
import { anyOf, CALL, CHANGE, NOTE, newSession, takeOne } from '../../support/calls.ts'
import { ROLES, shortUserId } from '../../support/population.ts'
import type { Filled } from './servers.ts'

/** Something that is timed on each server. */
export interface Operation {
  readonly name: string
  /** How often, for one that costs little. */
  readonly share: number
  /** Makes what is to be timed, untimed itself. */
  prepare(server: Filled): Promise<() => Promise<unknown>>
}

/** Users that nobody else is, each of whom gets some sessions and loses them. */
let users = 900_000_000

/** What is done to one of the sessions that are there. */
function onOne(name: string, run: (server: Filled, ref: SessionRef) => Promise<unknown>): Operation {
  return { name, share: 1, prepare: async (server) => run.bind(null, server, anyOf(server.sessions)) }
}

/** What is asked of all of them together. */
function ofAll(name: string, run: (server: Filled) => Promise<unknown>): Operation {
  return { name, share: 0.1, prepare: async (server) => run.bind(null, server) }
}

function revokeAll(count: number): Operation {
  return {
    name: `revoke all of a user, ${count} of them`,
    share: 0.05,
    async prepare({ store }) {
      const userId = shortUserId(users++)
      await Promise.all(Array.from({ length: count }, () => store.create(newSession(userId), CALL)))
      return () => store.revokeUser(userId, null, NOTE, CALL)
    },
  }
}

/**
 * A write that extends the session each time. By the usual rule it does once a minute: of the few sessions on the smallest server
 * many would have been touched within that, and the same call would do less there.
 */
const EXTENDING: TouchRule = { longest: 0, parts: 1 }

export const OPERATIONS: readonly Operation[] = [
  onOne('load', ({ store }, { id }) => store.load(id, null, CALL)),
  onOne('touch', ({ store }, ref) => store.touch(ref, 0, 1, CALL)),
  onOne('write of one field', ({ store }, { id }) => store.write(id, CHANGE.set, CALL)),
  onOne('commit, extending the session', ({ store }, ref) => store.commit(ref, CHANGE, EXTENDING, CALL)),
  onOne('update, extending the session', ({ store }, ref) =>
    store.update(ref, 'page_views', '3', '3', EXTENDING, CALL),
  ),
  {
    name: 'create',
    share: 1,
    async prepare({ store, sessions }) {
      const session = newSession(anyOf(sessions).userId)
      sessions.push({ id: session.id, userId: session.userId })
      return () => store.create(session, CALL)
    },
  },
  {
    name: 'destroy',
    share: 1,
    async prepare(server) {
      const ref = takeOne(server.sessions)
      return () => server.store.destroy(ref, NOTE, CALL)
    },
  },
  {
    name: 'rotate',
    share: 1,
    async prepare(server) {
      const ref = takeOne(server.sessions)
      const to = idOfToken(newTokenBeside(ref.id))
      server.sessions.push({ id: to, userId: ref.userId })
      // The tombstones are gone soon, or there would be more keys with each of these.
      const rotation = { grace: 0, reuseWindow: 1, renew: null, set: new Map(), remove: [], note: NOTE }
      return () => server.store.rotate(ref, to, rotation, CALL)
    },
  },
  {
    name: 'login of a visitor',
    share: 1,
    async prepare(server) {
      const visitor = newSession(null)
      await server.store.create(visitor, CALL)
      const ended = takeOne(server.sessions)
      await server.store.destroy(ended, NOTE, CALL)
      const session = newSession(ended.userId)
      server.sessions.push({ id: session.id, userId: session.userId })
      return async () => {
        await server.store.seal(visitor, 'bench', 2000, CALL)
        await server.store.create(session, CALL)
        await server.store.release(visitor, 'bench', null, NOTE, CALL)
      }
    },
  },
  onOne('time to live', ({ store }, { id }) => store.timeToLive(id, CALL)),
  onOne('list a user’s', ({ store }, { userId }) => store.listUser(userId as string, CALL)),
  onOne('roles of a user', ({ store }, { userId }) =>
    store.setUserRoles(userId as string, JSON.stringify(ROLES), NOTE, CALL),
  ),
  revokeAll(1),
  revokeAll(10),
  revokeAll(100),
  ofAll('count', ({ store }) => store.count(CALL)),
  ofAll('count users', ({ store }) => store.countUsers(CALL)),
  ofAll('count by idle age', ({ store }) => store.countByIdleAge([60_000], CALL)),
  ofAll('recent, a page of 50', ({ store }) => store.recent(50, { after: null, fields: [] }, CALL)),
]
