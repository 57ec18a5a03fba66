import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { Note, SessionStore, StoreEvent } from '../../src/core/store.ts'
import { tags } from '../../src/core/tags.ts'
import { tagOf } from '../../src/core/token.ts'
import {
  begin,
  call,
  idBeside,
  NOTE,
  newSession,
  type Open,
  type OpenStore,
  onStore,
  ROTATION,
} from '../store-contract.ts'
import { eventually } from '../support/http.ts'

// What stores tell of sessions to those who listen, and of all sessions together.

/** What a call says of itself, told from what others say by its cause. */
const note = (cause: string): Note => ({ ...NOTE, cause, actor: 'root', previous: null })

/** Hears what is told on a store, until the test is over. */
async function hear(store: SessionStore, run: (events: StoreEvent[]) => Promise<void>): Promise<void> {
  const events: StoreEvent[] = []
  const subscription = store.subscribe(
    (event) => events.push(event),
    () => assert.fail('the connection was not lost'),
  )
  try {
    await subscription.ready
    await run(events)
  } finally {
    subscription.end()
  }
}

export function eventsContract(openStore: Open): void {
  const on = (name: string, test: (opened: OpenStore) => Promise<void>) => onStore(openStore, name, test)

  describe('subscribe', () => {
    on('tells of all that begins, moves and ends, in order, with what the call says of itself', async (opened) => {
      const { store, second } = opened
      await hear(store, (own) =>
        hear(second, async (events) => {
          const ref = await begin(store, { userId: 'ada', note: note('begin') })
          const moved = { ...ref, id: idBeside(ref) }
          await second.rotate(ref, moved.id, { ...ROTATION, note: note('move') }, call())
          await store.setUserRoles('ada', '["admin"]', note('roles'), call())
          await second.destroy(moved, note('end'), call())
          const [one, two] = [await begin(store, { userId: 'ada' }), await begin(second, { userId: 'ada' })]
          await store.revokeUser('ada', two.id, note('others'), call())
          await store.revokeUser('ada', null, note('all'), call())
          const guest = await begin(store)
          await store.seal(guest, 'me', 60_000, call())
          await store.release(guest, 'me', null, note('taken over'), call())
          const expected = [
            ['begin', ref.id, 'ada', null],
            ['move', moved.id, 'ada', ref.id],
            ['roles', moved.id, 'ada', null],
            ['end', moved.id, 'ada', null],
            ['test', one.id, 'ada', null],
            ['test', two.id, 'ada', null],
            ['others', one.id, 'ada', null],
            ['all', two.id, 'ada', null],
            ['test', guest.id, null, null],
            ['taken over', guest.id, null, null],
          ]
          for (const told of [own, events]) {
            await eventually(() => told.length >= expected.length)
            const order = told.map(({ cause, id, userId, previous }) => [cause, id, userId, previous])
            // What two servers tell may come in any order: the guest's events among those of the user.
            const isOfGuest = ([, id]: readonly unknown[]) => opened.manyServers && id === guest.id
            assert.deepEqual([...order.filter((each) => !isOfGuest(each)), ...order.filter(isOfGuest)], expected)
            assert.ok(told.every(({ from, type, at }) => from === 'test' && type === 'test' && Number.isInteger(at)))
            assert.deepEqual(new Set(told.map(({ actor }) => actor)), new Set(['root', null]))
          }
        }),
      )
    })

    on('tells of whom a limit and a device ended, whoever began in their place', async ({ store, second }) => {
      await hear(second, async (events) => {
        const maxPerUser = { limit: 2, whenFull: 'evict-oldest' } as const
        const some = { userId: 'ada', maxPerUser, note: { ...note('login'), type: 'login', previous: 'x' } }
        const phone = await begin(store, { ...some, data: { device_id: 'phone' } })
        const again = await begin(store, { ...some, data: { device_id: 'phone' } })
        await begin(store, some)
        await begin(store, some)
        await eventually(() => events.length >= 6)
        const ends = events.filter(({ type }) => type !== 'login')
        assert.deepEqual(
          ends.map(({ type, cause, id, previous, actor }) => [type, cause, id, previous, actor]),
          [
            ['revoked', 'device', phone.id, null, 'root'],
            ['evicted', 'limit', again.id, null, 'root'],
          ],
        )
      })
    })

    on('tells of the first use after the grace, once, and of nothing that was not done', async ({ store, second }) => {
      await hear(second, async (events) => {
        const ref = await begin(store, { userId: 'ada' })
        const to = idBeside(ref)
        await store.rotate(ref, to, { ...ROTATION, grace: 0 }, call())
        // In a cluster it is told a little later than answered, where another server than the session's is listened to.
        await eventually(() => events.some(({ id }) => id === to))
        events.length = 0
        await store.load(ref.id, null, call())
        await store.destroy(ref, note('too late'), call())
        await store.touch({ ...ref, id: to }, 0, 1, call())
        const reuse = note('reuse')
        const found = [await store.load(ref.id, reuse, call()), await second.load(ref.id, reuse, call())]
        assert.deepEqual(found, [
          { status: 'reused', successor: to, first: true },
          { status: 'reused', successor: to, first: false },
        ])
        await second.destroy({ ...ref, id: to }, note('end'), call())
        await eventually(() => events.some(({ cause }) => cause === 'end'))
        assert.deepEqual(
          events.map(({ cause, id, userId }) => [cause, id, userId]),
          [
            ['reuse', to, 'ada'],
            ['end', to, 'ada'],
          ],
        )
      })
    })

    on('tells nothing more to who has stopped', async ({ store, second }) => {
      const events: StoreEvent[] = []
      const stopped = second.subscribe(
        (event) => events.push(event),
        () => undefined,
      )
      await stopped.ready
      stopped.end()
      stopped.end()
      await hear(second, async (others) => {
        await begin(store)
        await eventually(() => others.length > 0)
      })
      assert.deepEqual(events, [])
    })
  })

  describe('all sessions together', () => {
    on('are found by partition, with their users', async ({ store, second }) => {
      const refs = [await begin(store), await begin(store), await begin(store, { userId: 'ada' })]
      const found = await Promise.all(tags.map((_, partition) => second.partition(partition, call())))
      const listed = found.flat().map(({ id, userId }) => `${id} ${userId}`)
      assert.deepEqual(listed.toSorted(), refs.map(({ id, userId }) => `${id} ${userId}`).toSorted())
      found.forEach((some, i) => {
        for (const { id } of some) assert.equal(tagOf(id), tags[i])
      })
    })

    on('are ended with the user that they have', async ({ store }) => {
      const ref = await begin(store, { userId: 'ada' })
      // By the id alone.
      const reply = await store.destroy({ id: ref.id, userId: null }, NOTE, call())
      assert.equal(reply.status === 'ok' && reply.userId, 'ada')
    })

    on('let nobody log in who began before everyone was logged out', async ({ store, second }) => {
      const begun = performance.now()
      await second.revokeLogins(call())
      const create = (userId: string | null, at: number) => store.create(newSession({ userId, begun: at }), call())
      for (const userId of ['ada', 'grace']) assert.equal((await create(userId, begun)).status, 'revoked')
      assert.equal((await create(null, begun)).status, 'ok')
      // An instant later by every clock.
      await eventually(async () => (await create('ada', performance.now())).status === 'ok')
    })
  })
}
