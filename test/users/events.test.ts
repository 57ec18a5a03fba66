import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { LoginRevokedError, type SessionEvent, UserLimitError } from '../../src/index.ts'
import { warningsOf } from '../redis/support.ts'
import { eventually } from '../support/http.ts'
import { Browser, eventsOf, idOf, keepsData, onEveryStore, published, TYPES, type World } from './world.ts'

const TEST = { timeout: 60_000 }

/** An event without what differs between the process that did it and the others. */
function facts({ type, id, userId, cause, actor, previous }: SessionEvent) {
  return { type, id, userId, cause, actor, previous }
}

const NOBODY = { userId: null, actor: null, previous: null }

onEveryStore('events', (open) => {
  /** What one process does, as it hears of it itself and as another does. */
  async function heard(
    t: TestContext,
    run: (world: World) => Promise<unknown>,
    options?: Parameters<typeof open>[1],
  ): Promise<SessionEvent[]> {
    const world = await open(t, options)
    const [here, there] = [await eventsOf(world.here), await eventsOf(world.there)]
    // What has been done to find out that both are listening has reached both.
    await fence(world, here, there)
    here.length = 0
    there.length = 0
    await run(world)
    const told = [...here]
    await fence(world, here, there)
    const expected = told.filter(({ type }) => type !== 'refused').map(facts)
    const last = there.splice(expected.length)
    assert.deepEqual(there.map(facts), expected)
    assert.equal(last.at(-1)?.type, 'destroyed', 'nothing has come twice')
    assert.ok(told.every(({ local }) => local))
    assert.ok(there.every(({ local, at }) => !local && Number.isInteger(at)))
    assert.deepEqual(here.slice(told.length).length, 2, 'nothing has come later')
    return told
  }

  /** A session that begins and ends after everything else, in both processes. */
  async function fence({ here }: World, ...told: SessionEvent[][]): Promise<void> {
    const { token, id } = await here.create()
    await here.destroy(token)
    await eventually(() =>
      told.every((events) => events.some((event) => event.id === id && event.type === 'destroyed')),
    )
  }

  it('tell of a session that begins, is rotated and ends, here at once and elsewhere once', TEST, async (t) => {
    let [first, second] = ['', '']
    const told = await heard(t, async ({ here }) => {
      const ada = new Browser(here)
      await ada.visit(keepsData)
      first = (await ada.visit(idOf)).result
      await ada.visit((session) => session.rotate())
      second = (await ada.visit(idOf)).result
      await ada.visit((session) => session.logout())
    })
    assert.deepEqual(told.map(facts), [
      { type: 'created', id: first, ...NOBODY, cause: 'request' },
      { type: 'rotated', id: second, ...NOBODY, cause: 'rotate', previous: first },
      { type: 'destroyed', id: second, ...NOBODY, cause: 'logout' },
    ])
  })

  it('tell of a login who it was, and of the session that it took the place of', TEST, async (t) => {
    const ids: string[] = []
    const told = await heard(t, async ({ here }) => {
      const ada = new Browser(here)
      await ada.visit(keepsData)
      ids.push((await ada.visit(idOf)).result)
      ids.push(await ada.login('ada'))
      ids.push(await ada.login('ada'))
      await ada.visit((session) => session.setRoles(['admin']))
      ids.push((await ada.visit(idOf)).result)
      await ada.visit((session) => session.logout())
    })
    const [guest, first, second, third] = ids as [string, string, string, string]
    const own = { userId: 'ada', actor: 'ada' }
    assert.deepEqual(told.map(facts), [
      { type: 'created', id: guest, ...NOBODY, cause: 'request' },
      { type: 'login', id: first, ...own, cause: 'login', previous: guest },
      { type: 'destroyed', id: guest, userId: null, actor: 'ada', cause: 'login', previous: null },
      { type: 'rotated', id: second, ...own, cause: 'login', previous: first },
      { type: 'rotated', id: third, ...own, cause: 'roles', previous: second },
      { type: 'destroyed', id: third, ...own, cause: 'logout', previous: null },
    ])
  })

  it('tell of sessions ended from outside why, and who had it done', TEST, async (t) => {
    const ids: string[] = []
    const told = await heard(t, async ({ here }) => {
      const begin = async (deviceId?: string) => {
        const { id } = await here.create({}, { userId: 'ada', ...(deviceId && { deviceId }) })
        ids.push(id)
        return id
      }
      await here.revoke(await begin(), { actor: 'root' })
      await here.user('ada').revoke(await begin(), { actor: 'root' })
      await begin('phone')
      await here.user('ada').revokeDevice('phone', { actor: 'root' })
      await begin()
      await here.user('ada').revokeOthers(await begin(), { actor: 'root' })
      await here.user('ada').setRoles(['admin'], { actor: 'root' })
      await here.user('ada').revokeAll({ actor: 'root' })
      await begin('phone')
      await begin('phone')
      await here.revokeEveryone({ actor: 'root' })
    })
    const by = { userId: 'ada', actor: 'root', previous: null }
    const login = (i: number) => ({
      type: 'login',
      id: ids[i],
      userId: 'ada',
      actor: null,
      cause: 'create',
      previous: null,
    })
    const revoked = (i: number, cause: string) => ({ type: 'revoked', id: ids[i], ...by, cause })
    assert.deepEqual(told.map(facts), [
      login(0),
      revoked(0, 'revoke'),
      login(1),
      revoked(1, 'revoke'),
      login(2),
      revoked(2, 'device'),
      login(3),
      login(4),
      revoked(3, 'others'),
      { type: 'roles', id: ids[4], ...by, cause: 'roles' },
      revoked(4, 'all'),
      login(5),
      login(6),
      { ...revoked(5, 'device'), actor: null },
      revoked(6, 'everyone'),
    ])
  })

  it('tell of a limit whom it ended, and of a login refused in that process only', TEST, async (t) => {
    const ids: string[] = []
    const told = await heard(
      t,
      async ({ here }) => {
        for (let i = 0; i < 3; i++) {
          ids.push((await here.create({}, { userId: 'ada' })).id)
          // Stores tell whole milliseconds: the next one begins later.
          await pause(2)
        }
        const arrived = new Browser(here).visit(async (session) => {
          await here.user('ada').revokeAll()
          await session.login('ada')
        })
        await assert.rejects(arrived, LoginRevokedError)
      },
      { maxPerUser: 2 },
    )
    assert.deepEqual(told.map(({ type, id, cause }) => [type, id, cause]).slice(0, 4), [
      ['login', ids[0], 'create'],
      ['login', ids[1], 'create'],
      ['login', ids[2], 'create'],
      ['evicted', ids[0], 'limit'],
    ])
    assert.deepEqual(told.map(facts).at(-1), { type: 'refused', id: null, ...NOBODY, userId: 'ada', cause: 'revoked' })
  })

  it('tell of a login that the limit refused', TEST, async (t) => {
    const told = await heard(
      t,
      async ({ here }) => {
        await here.create({}, { userId: 'ada' })
        await assert.rejects(here.create({}, { userId: 'ada' }), UserLimitError)
      },
      { maxPerUser: { limit: 1, whenFull: 'refuse' } },
    )
    assert.deepEqual(facts(told.at(-1) as SessionEvent), {
      type: 'refused',
      id: null,
      ...NOBODY,
      userId: 'ada',
      cause: 'limit',
    })
  })

  it('tell of a token used after its time, with whose session it led to', TEST, async (t) => {
    let [first, second] = ['', '']
    const told = await heard(
      t,
      async ({ here }) => {
        const ada = new Browser(here)
        first = await ada.login('ada')
        const old = ada.token
        await ada.visit((session) => session.rotate())
        second = (await ada.visit(idOf)).result
        await ada.visit(undefined, { token: old })
      },
      { rotationGrace: 0 },
    )
    assert.deepEqual(told.map(facts), [
      { type: 'login', id: first, userId: 'ada', actor: 'ada', cause: 'login', previous: null },
      { type: 'rotated', id: second, userId: 'ada', actor: 'ada', cause: 'rotate', previous: first },
      { type: 'reuse', id: second, userId: 'ada', actor: null, cause: 'reuse', previous: null },
    ])
  })

  it('come before the call that caused them resolves', TEST, async (t) => {
    const { here } = await open(t)
    const events: SessionEvent[] = []
    for (const type of TYPES) here.on(type, (event) => events.push(event))
    const types = () => events.splice(0).map(({ type }) => type)
    const { token, id } = await here.create({}, { userId: 'ada' })
    assert.deepEqual(types(), ['login'])
    const rotated = await here.rotate(token)
    assert.deepEqual(types(), ['rotated'])
    await here.user('ada').setRoles(['admin'])
    assert.deepEqual(types(), ['roles'])
    await here.user('ada').revokeAll()
    assert.deepEqual(types(), ['revoked'])
    assert.notEqual(rotated.id, id)
  })

  it('are no longer told to who has stopped listening, nor by sessions that are closed', TEST, async (t) => {
    const { here } = await open(t)
    let [stopped, closed] = [0, 0]
    const stop = here.on('created', () => stopped++)
    here.on('created', () => closed++)
    const { token } = await here.create()
    stop()
    await here.create()
    assert.deepEqual([stopped, closed], [1, 2])
    await here.close()
    assert.throws(() => here.on('created', () => undefined), { code: 'ERR_STORE_UNAVAILABLE' })
    await assert.rejects(here.destroy(token), { code: 'ERR_STORE_UNAVAILABLE' })
  })

  it('are on the diagnostics channel too, each once', TEST, async (t) => {
    const { here } = await open(t)
    const ids: string[] = []
    const events = await published(async () => {
      const { token, id } = await here.create()
      ids.push(id, (await here.rotate(token)).id)
      await here.revoke(ids[1] ?? '', { actor: 'root' })
    })
    assert.deepEqual(events.map(facts), [
      { type: 'created', id: ids[0], ...NOBODY, cause: 'create' },
      { type: 'rotated', id: ids[1], ...NOBODY, cause: 'rotate', previous: ids[0] },
      { type: 'revoked', id: ids[1], ...NOBODY, cause: 'revoke', actor: 'root' },
    ])
  })

  it('are told to all listeners although one throws, and whoever is served does not notice', TEST, async (t) => {
    const { here } = await open(t)
    const heard: string[] = []
    here.on('created', () => {
      throw new Error('the disk of the audit log is full')
    })
    here.on('created', async () => {
      throw new Error('the database of the audit log is away')
    })
    here.on('created', ({ cause }) => heard.push(cause))
    const warnings = await warningsOf(
      async () => {
        const ada = new Browser(here)
        for (let i = 0; i < 2; i++) {
          ada.token = null
          assert.equal((await ada.visit(keepsData)).cookie, 'issued')
        }
      },
      (warnings) => warnings.filter(({ code }) => code === 'COATCHECK_LISTENER').length === 4,
    )
    assert.deepEqual(heard, ['request', 'request'])
    const told = warnings.filter(({ code }) => code === 'COATCHECK_LISTENER')
    assert.equal(told.length, 4)
    for (const [i, cause] of [/disk/, /database/].entries()) {
      // With where it came from, every time.
      assert.match((told[i] as { detail?: string }).detail ?? '', cause)
      assert.match((told[i + 2] as { detail?: string }).detail ?? '', /events\.test\.ts/)
    }
  })
})
