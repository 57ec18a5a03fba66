import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { idOfToken, newToken } from '../../src/core/token.ts'
import type { SessionStore } from '../../src/index.ts'
import {
  ALWAYS,
  begin,
  call,
  changes,
  idBeside,
  loaded,
  NOTE,
  newSession,
  type Open,
  onStore,
  ROTATION,
} from '../store-contract.ts'
import { eventually } from '../support/http.ts'

// A session that another store has adopted: what is left of it.

const [SUCCESSOR, ANOTHER] = [newToken(), newToken()].map(idOfToken) as [string, string]
const pointer = (ms = 60_000, remember = 0) => ({ successor: SUCCESSOR, ms, remember })

export function adoptionContract(open: Open): void {
  describe('a release that says where the session goes on', () => {
    onStore(open, 'ends it, and leads there', async ({ store, second }) => {
      const ref = await begin(store, { data: { cart: 'tea' } })
      await store.seal(ref, 'me', 60_000, call())
      assert.deepEqual(await store.release(ref, 'me', pointer(), NOTE, call()), { status: 'ok' })
      assert.deepEqual(await second.load(ref.id, NOTE, call()), { status: 'adopted', successor: SUCCESSOR })
      const commit = changes({ set: new Map([['late', 'x']]) })
      const replies = [
        await second.touch(ref, 0, 1, call()),
        await second.commit(ref, commit, ALWAYS, call()),
        await second.update(ref, 'cart', 'tea', 'late', ALWAYS, call()),
        await second.rotate(ref, idBeside(ref), ROTATION, call()),
        await second.seal(ref, 'other', 60_000, call()),
        await second.destroy(ref, NOTE, call()),
      ]
      for (const { status } of replies) assert.equal(status, 'ended')
      assert.equal(await store.timeToLive(ref.id, call()), null)
      assert.deepEqual(await store.count(call()), { guests: 0, members: 0 })
      assert.deepEqual(await second.load(ref.id, null, call()), { status: 'adopted', successor: SUCCESSOR })
    })

    onStore(open, 'is done once, however often it is told', async ({ store }) => {
      const ref = await begin(store)
      await store.seal(ref, 'me', 60_000, call())
      for (let i = 0; i < 2; i++) assert.equal(await statusOf(store, ref, 'me'), 'ok')
      const other = await store.release(ref, 'me', { ...pointer(), successor: ANOTHER }, NOTE, call())
      assert.equal(other.status, 'lapsed')
      assert.deepEqual(await store.load(ref.id, null, call()), { status: 'adopted', successor: SUCCESSOR })
    })

    onStore(open, 'leads there for so long', async ({ store }) => {
      const ref = await begin(store)
      await store.seal(ref, 'me', 60_000, call())
      await store.release(ref, 'me', pointer(30), NOTE, call())
      await eventually(async () => (await store.load(ref.id, null, call())) === null)
      assert.equal((await store.seal(ref, 'me', 60_000, call())).status, 'ended')
      await eventually(async () => (await store.create(newSession(ref), call())).status === 'ok')
    })

    onStore(
      open,
      'leads there for so long, and lets nothing begin in its place for longer',
      async ({ store, second }) => {
        const ref = await begin(store)
        await store.seal(ref, 'me', 60_000, call())
        await store.release(ref, 'me', pointer(30, 60_000), NOTE, call())
        for (const wait of [false, true]) {
          if (wait) await eventually(async () => (await second.load(ref.id, null, call())) === null)
          assert.equal((await second.create(newSession(ref), call())).status, 'ended')
          assert.equal((await second.destroy(ref, NOTE, call(), 60_000)).status, 'ended')
          assert.equal((await second.seal(ref, 'me', 60_000, call())).status, 'ended')
        }
        assert.equal(await second.load(ref.id, null, call()), null)
      },
    )

    onStore(open, 'leads nowhere when the seal is not its own, or the session has ended', async ({ store }) => {
      const ref = await begin(store)
      await store.seal(ref, 'me', 60_000, call())
      assert.equal(await statusOf(store, ref, 'other'), 'lapsed')
      assert.equal((await loaded(store, ref.id))?.id, ref.id)
      await store.destroy(ref, NOTE, call())
      assert.equal(await statusOf(store, ref, 'me'), 'ended')
      assert.equal(await store.load(ref.id, null, call()), null)
    })
  })
}

async function statusOf(store: SessionStore, ref: { id: string; userId: null | string }, by: string) {
  return (await store.release(ref, by, pointer(), NOTE, call())).status
}
