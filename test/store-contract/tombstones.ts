import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { SessionRef, SessionStore } from '../../src/core/store.ts'
import { idOfToken, newToken } from '../../src/core/token.ts'
import { begin, call, loaded, NOTE, newSession, type Open, type OpenStore, onStore } from '../store-contract.ts'

// What every store does for those whose sessions have ids of their own choice: it tells a session that is there from one that
// is not, and remembers that an id is over.

const HOUR = 3_600_000

export function tombstoneContract(open: Open): void {
  const on = (name: string, test: (opened: OpenStore) => Promise<void>) => onStore(open, name, test)
  const create = (store: SessionStore, { id }: SessionRef, text = 'again') =>
    store.create(newSession({ id, fields: new Map([['a', text]]) }), call())
  const isNone = async (store: SessionStore, { id }: SessionRef) => {
    assert.equal(await loaded(store, id), null)
    assert.equal(await store.timeToLive(id, call()), null)
  }

  describe('an id that is given twice', () => {
    on('says that the session is there, and writes nothing', async ({ store, second }) => {
      const ref = await begin(store, { data: { a: 'first' } })
      const before = await loaded(store, ref.id)
      const reply = await create(second, ref)
      assert.equal(reply.status === 'ok' && reply.existed, true)
      assert.deepEqual(await loaded(store, ref.id), before)
    })

    on('begins one session for 20 that begin it at once', async ({ store, second }) => {
      const ref = { id: idOfToken(newToken()), userId: null }
      const replies = await Promise.all(
        Array.from({ length: 20 }, (_, i) => create(i % 2 ? store : second, ref, String(i))),
      )
      const began = replies.flatMap((reply, i) => (reply.status === 'ok' && !reply.existed ? [String(i)] : []))
      assert.equal(began.length, 1)
      assert.equal((await loaded(store, ref.id))?.fields.get('a'), began[0])
    })

    on('begins a new session where the one before has ended and nobody was to remember it', async ({ store }) => {
      const ref = await begin(store, { data: { a: 'first' } })
      await store.destroy(ref, NOTE, call())
      const reply = await create(store, ref)
      assert.equal(reply.status === 'ok' && reply.existed, false)
      assert.equal((await loaded(store, ref.id))?.fields.get('a'), 'again')
    })
  })

  describe('an id that is remembered as over', () => {
    for (const userId of [null, 'andrew']) {
      const whose = userId === null ? 'without a user' : 'of a user'

      on(`begins no session again (${whose})`, async ({ store, second }) => {
        const ref = await begin(store, { userId })
        assert.equal((await store.destroy(ref, NOTE, call(), HOUR)).status, 'ok')
        assert.deepEqual(await create(second, ref), { status: 'ended' })
        assert.equal((await second.destroy(ref, NOTE, call(), HOUR)).status, 'ended')
        assert.deepEqual(await create(store, ref), { status: 'ended' })
        await isNone(store, ref)
      })
    }

    on('need not have been a session', async ({ store }) => {
      const ref = { id: idOfToken(newToken()), userId: null }
      assert.equal((await store.destroy(ref, NOTE, call(), HOUR)).status, 'ended')
      assert.deepEqual(await create(store, ref), { status: 'ended' })
      await isNone(store, ref)
    })

    on('ends also a session that a login is taking over, for good', async ({ store, second }) => {
      const ref = await begin(store)
      await store.seal(ref, 'somebody', 10_000, call())
      assert.equal((await second.destroy(ref, NOTE, call(), HOUR)).status, 'ok')
      assert.deepEqual(await store.release(ref, 'somebody', null, NOTE, call()), { status: 'ended' })
      assert.deepEqual(await create(store, ref), { status: 'ended' })
    })

    on('is forgotten after the time that was asked for', async ({ store }) => {
      const ref = await begin(store)
      await store.destroy(ref, NOTE, call(), 300)
      assert.deepEqual(await create(store, ref), { status: 'ended' })
      while ((await create(store, ref)).status === 'ended') await pause(5)
      assert.equal((await loaded(store, ref.id))?.fields.get('a'), 'again')
    })

    on('is remembered no longer because it ends once more', async ({ store }) => {
      const ref = await begin(store)
      await store.destroy(ref, NOTE, call(), 300)
      assert.equal((await store.destroy(ref, NOTE, call(), HOUR)).status, 'ended')
      while ((await create(store, ref)).status === 'ended') await pause(5)
      assert.ok(await loaded(store, ref.id))
    })
  })
}
