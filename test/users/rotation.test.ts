import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { SessionEvent, SessionStore, Sessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { altered } from '../adapter-contract/bench.ts'
import { warningsOf } from '../redis/support.ts'
import { eventually } from '../support/http.ts'
import { Browser, type Data, eventsOf, idOf, keepsData, type Options, onEveryStore, sessionsOn } from './world.ts'

const TEST = { timeout: 60_000 }

/** Somebody whose session is due for a new token. */
async function due(sessions: Sessions<Data>, every: number): Promise<Browser> {
  const ada = new Browser(sessions)
  await ada.login('ada')
  await ada.visit(keepsData)
  await pause(every + 5)
  return ada
}

const EVERY = 300

onEveryStore('rotateEvery', (open) => {
  it('is off by default', TEST, async (t) => {
    const { here } = await open(t)
    const ada = await due(here, EVERY)
    assert.equal((await ada.visit()).cookie, 'none')
  })

  it('gives a session that is due a new token with the next request, once', TEST, async (t) => {
    const { here, there } = await open(t, { rotateEvery: EVERY })
    const events = await eventsOf(there)
    const ada = await due(here, EVERY)
    const [old, before] = [ada.token, (await here.peek(ada.token ?? ''))?.id]
    const { cookie, result: id } = await ada.visit(idOf)
    assert.equal(cookie, 'issued')
    assert.notEqual(ada.token, old)
    assert.deepEqual((await here.load(ada.token ?? ''))?.data, (await here.load(old ?? ''))?.data)
    await eventually(() => events.some((event) => event.id === id))
    const rotated = events.filter(({ type }) => type === 'rotated')
    assert.deepEqual(
      rotated.map((event) => [event.cause, event.userId, event.previous, event.id]),
      [['periodic', 'ada', before, id]],
    )
  })

  it('is due again that long after the last time, by whatever rotation', TEST, async (t) => {
    const { here } = await open(t, { rotateEvery: 1000 })
    const ada = new Browser(here)
    const began = performance.now()
    await ada.visit(keepsData)
    await pause(400)
    await ada.visit((session) => session.rotate())
    const rotated = performance.now()
    await pause(Math.max(0, 1005 - (rotated - began)))
    const { cookie } = await ada.visit()
    // On a machine that was too busy to ask in time, there is nothing to see.
    if (performance.now() - rotated < 990) assert.equal(cookie, 'none')
    await pause(Math.max(0, 1005 - (performance.now() - rotated)))
    assert.equal((await ada.visit()).cookie, 'issued')
  })

  it('serves all of many requests at once, in two processes, with one successor', TEST, async (t) => {
    const { here, there } = await open(t, { rotateEvery: 1500 })
    // None of them comes so late that it is due again.
    const ada = await due(here, 1500)
    const { token } = ada
    const visits = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        ada.visit(
          async (session) => {
            await session.increment('views')
            return session.data.name
          },
          { at: i % 2 ? here : there, token },
        ),
      ),
    )
    assert.equal(visits.filter(({ cookie }) => cookie === 'issued').length, 1)
    assert.ok(visits.every(({ result }) => result !== undefined))
    assert.equal((await here.peek(ada.token ?? ''))?.data.views, 40)
    assert.equal(await here.count(), 1)
  })

  it('leaves a request alone that is no activity: it would extend the session', TEST, async (t) => {
    const { here } = await open(t, { rotateEvery: EVERY })
    const ada = await due(here, EVERY)
    const before = await here.peek(ada.token ?? '')
    assert.equal((await ada.visit(undefined, { touch: false })).cookie, 'none')
    assert.deepEqual(await here.peek(ada.token ?? ''), before)
    assert.equal((await ada.visit()).cookie, 'issued')
  })

  it('finds a session that has been revoked ended', TEST, async (t) => {
    const { here, there } = await open(t, { rotateEvery: EVERY })
    const ada = await due(here, EVERY)
    await there.user('ada').revokeAll()
    const { result, cookie } = await ada.visit((session) => [session.ended, session.id])
    assert.deepEqual([result, cookie], [[true, null], 'none'])
  })
})

describe('a due rotation', () => {
  /** Sessions whose store rotates as a test says, after the session is due. */
  async function dueOn(rotate: SessionStore['rotate'], options: Options = {}) {
    const store = memoryStore()
    const sessions = sessionsOn(altered(store, { rotate }), { rotateEvery: EVERY, ...options })
    return { ada: await due(sessions, EVERY) }
  }

  it('that fails is a warning, and the request is served', TEST, async () => {
    const { ada } = await dueOn(() => new Promise(() => undefined), { storeTimeout: 100 })
    const warnings = await warningsOf(async () => {
      for (let i = 0; i < 2; i++) {
        const { result, cookie } = await ada.visit((session) => session.userId)
        assert.deepEqual([result, cookie], ['ada', 'none'])
      }
    })
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['COATCHECK_ROTATION_FAILED'],
    )
  })

  it('that finds the session just ended makes it a request without one', TEST, async () => {
    const { ada } = await dueOn(async () => ({ status: 'ended' }))
    const { result, cookie } = await ada.visit((session) => [session.ended, session.id])
    assert.deepEqual([result, cookie], [[true, null], 'none'])
  })

  it('that fails as no store does is not hidden', TEST, async () => {
    const { ada } = await dueOn(() => Promise.reject(new TypeError('a mistake')))
    await assert.rejects(ada.visit(), TypeError)
  })
})

onEveryStore('a token used after its grace', (open) => {
  const SHORT = { rotationGrace: 0 }
  const reuses = (events: readonly SessionEvent[]) => events.filter(({ type }) => type === 'reuse')

  /** A session rotated some times, and the tokens that it had, the present one last. */
  async function rotated(sessions: Sessions<Data>, times: number): Promise<{ ada: Browser; tokens: string[] }> {
    const ada = new Browser(sessions)
    await ada.login('ada')
    const tokens = [ada.token ?? '']
    for (let i = 0; i < times; i++) {
      await ada.visit((session) => session.rotate())
      tokens.push(ada.token ?? '')
    }
    return { ada, tokens }
  }

  it('is told once, in every process, with the session that it led to', TEST, async (t) => {
    const { here, there } = await open(t, SHORT)
    const [told, heard] = [await eventsOf(here), await eventsOf(there)]
    const { ada, tokens } = await rotated(here, 1)
    const { result: id } = await ada.visit(idOf)
    for (let i = 0; i < 3; i++) {
      for (const at of [here, there]) {
        const { result, cookie } = await ada.visit((session) => session.ended, { at, token: tokens[0] ?? '' })
        assert.deepEqual([result, cookie], [true, 'none'])
      }
    }
    await eventually(() => reuses(heard).length > 0)
    await pause(20)
    for (const events of [told, heard]) {
      assert.deepEqual(
        reuses(events).map((event) => [event.id, event.userId, event.cause]),
        [[id, 'ada', 'reuse']],
      )
    }
    // Off by default: who holds the present token goes on.
    assert.equal((await ada.visit((session) => session.userId)).result, 'ada')
    assert.deepEqual([(await here.stats()).process.reuse, (await here.stats()).active], [{ reuse: 1 }, 1])
  })

  it('ends the session that it led to, over several rotations, where that is wanted', TEST, async (t) => {
    const { here, there } = await open(t, { ...SHORT, revokeOnReuse: true })
    const heard = await eventsOf(there)
    const { ada, tokens } = await rotated(here, 3)
    const { result: last } = await ada.visit(idOf)
    await ada.visit(undefined, { token: tokens[0] ?? '' })
    assert.equal((await ada.visit((session) => session.ended)).result, true)
    assert.equal(await here.count(), 0)
    await eventually(() => heard.some(({ type }) => type === 'revoked' && heard.length > 0))
    const ends = heard.filter(({ type, cause }) => type === 'revoked' && cause === 'reuse')
    assert.deepEqual(
      ends.map(({ id, userId }) => [id, userId]),
      [[last, 'ada']],
    )
    // The other tokens are told of too, and there is nothing left to end.
    await ada.visit(undefined, { token: tokens[1] ?? '' })
    await ada.visit(undefined, { token: tokens[1] ?? '' })
    await eventually(() => reuses(heard).length === 2)
    assert.equal(heard.filter(({ cause }) => cause === 'reuse').length, 3)
  })

  it('is not told of who only looks, nor of ids', TEST, async (t) => {
    const { here } = await open(t, SHORT)
    const events = await eventsOf(here)
    const { ada, tokens } = await rotated(here, 2)
    const old = tokens[0] ?? ''
    const first = events.find(({ type }) => type === 'login')?.id ?? ''
    assert.deepEqual([await here.peek(old), await here.find(first)], [null, null])
    assert.deepEqual([await here.timeToLive(old), await here.touch(old), await here.destroy(old)], [null, false, false])
    assert.equal(await here.user('ada').revoke(first), false)
    await (await here.watch(first, () => assert.fail('the session goes on')))()
    assert.deepEqual(reuses(events), [])
    await ada.visit(undefined, { token: old })
    assert.equal(reuses(events).length, 1)
  })

  it('within the grace is no such use', TEST, async (t) => {
    const { here } = await open(t)
    const events = await eventsOf(here)
    const { ada, tokens } = await rotated(here, 3)
    for (const token of tokens) {
      assert.equal((await ada.visit((session) => session.userId, { token })).result, 'ada')
    }
    assert.deepEqual(reuses(events), [])
    // Revoked meanwhile: ended for all of them, and still no such use.
    await here.user('ada').revokeAll()
    for (const token of tokens) {
      assert.equal((await ada.visit((session) => session.ended, { token })).result, true)
    }
    assert.deepEqual(reuses(events), [])
  })

  it('is forgotten after the reuse window', TEST, async (t) => {
    const { here } = await open(t, { ...SHORT, reuseWindow: 50 })
    const events = await eventsOf(here)
    const { ada, tokens } = await rotated(here, 1)
    await pause(60)
    await ada.visit(undefined, { token: tokens[0] ?? '' })
    assert.deepEqual(reuses(events), [])
  })
})
