import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { SessionEvent } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { newPrefix, warningsOf } from '../redis/support.ts'
import { eventually } from '../support/http.ts'
import { freePort, type RedisClient, type RedisServer, startRedis } from '../support/redis-server.ts'
import { CLIENTS, eventsOf, published, sessionsOn } from './world.ts'

// How one process hears of the others over Redis.

const TEST = { timeout: 60_000 }

for (const [name, newClient] of Object.entries(CLIENTS)) {
  describe(`listening to Redis with ${name}`, () => {
    let server: RedisServer
    let observer: RedisClient
    before(async () => {
      server = await startRedis()
      observer = await server.connect()
    })
    after(() => server.stop())

    /** A client on this server, or another. */
    async function connected(t: { after(end: () => void): void }, url = server.url) {
      const client = newClient(url)
      t.after(() => client.destroy())
      client.on('error', () => undefined)
      await client.connect()
      return client
    }

    const connections = async () => (await observer.clientList()).length

    it('takes one connection, when somebody listens and not before, and gives it back', TEST, async (t) => {
      const client = await connected(t)
      const sessions = sessionsOn(redisStore(client, { prefix: newPrefix() }))
      const { token, id } = await sessions.create({}, { userId: 'ada' })
      await sessions.load(token)
      await sessions.user('ada').list()
      await sessions.stats()
      const before = await connections()
      const events: SessionEvent[] = []
      for (let i = 0; i < 20; i++) sessions.on('revoked', (event) => events.push(event))
      await sessions.watch(id, () => undefined)
      await sessions.watch(id, () => undefined)
      assert.equal(await connections(), before + 1)
      await sessions.close()
      await eventually(async () => (await connections()) === before)
      assert.equal(client.isReady, true)
    })

    it('ignores what is no event, and goes on', TEST, async (t) => {
      const prefix = newPrefix()
      const client = await connected(t)
      const sessions = sessionsOn(redisStore(client, { prefix }))
      t.after(() => sessions.close())
      const events = await eventsOf(sessions)
      const { id } = await sessions.create()
      await eventually(() => events.some((event) => event.id === id))
      events.length = 0
      const event = {
        from: 'x',
        type: 'revoked',
        cause: 'x',
        actor: null,
        id: 'x',
        userId: null,
        previous: null,
        at: 1,
      }
      const without = (field: string) => Object.fromEntries(Object.entries(event).filter(([key]) => key !== field))
      const foreign = [
        ...['', '{', 'null', '7', '"x"', '[]', '{}', 'undefined', '\u0000', '['.repeat(100_000)],
        ...['from', 'type', 'cause', 'id', 'at'].map((field) => JSON.stringify(without(field))),
        ...[{ id: 7 }, { id: null }, { userId: {} }, { actor: [] }, { previous: 1 }, { at: '1' }, { cause: {} }].map(
          (wrong) => JSON.stringify({ ...event, ...wrong }),
        ),
        // What no version of today tells.
        ...['error', 'toString', '__proto__', 'newListener'].map((type) => JSON.stringify({ ...event, type })),
      ]
      // What may be left out, and what is more than is known.
      const terse = { from: 'x', type: 'revoked', cause: 'x', id, at: 1, data: 'x' }
      const told = await published(async () => {
        for (const message of [...foreign, JSON.stringify(terse)]) await observer.publish(`${prefix}events`, message)
        await eventually(() => events.length > 0)
      })
      assert.deepEqual(told, events)
      assert.deepEqual(events, [
        { type: 'revoked', id, cause: 'x', userId: null, actor: null, previous: null, at: 1, local: false },
      ])
    })

    it('hears nothing of applications with another prefix', TEST, async (t) => {
      const client = await connected(t)
      const [one, other] = [1, 2].map(() => sessionsOn(redisStore(client, { prefix: newPrefix() })))
      assert.ok(one && other)
      t.after(() => Promise.all([one.close(), other.close()]))
      const events = await eventsOf(one)
      await other.create()
      const { id } = await one.create()
      await eventually(() => events.some((event) => event.id === id))
      assert.ok(events.every(({ local }) => local))
    })

    it('does without the right to publish or to subscribe, and all else works', TEST, async (t) => {
      await observer.sendCommand(['ACL', 'SETUSER', 'mute', 'on', '>secret', '~*', '+@all', 'resetchannels'])
      const { port } = server
      const client = await connected(t, `redis://mute:secret@127.0.0.1:${port}`)
      const sessions = sessionsOn(redisStore(client, { prefix: newPrefix() }))
      const before = await connections()
      const told: string[] = []
      const warnings = await warningsOf(async () => {
        sessions.on('revoked', ({ cause }) => told.push(cause))
        const { token, id } = await sessions.create({ name: 'Ada' }, { userId: 'ada', deviceId: 'x' })
        await sessions.set(token, { views: 1 })
        const { token: second } = await sessions.rotate(token)
        await sessions.user('ada').setRoles(['admin'])
        assert.deepEqual((await sessions.load(second ?? ''))?.roles, ['admin'])
        assert.equal(await sessions.revoke(id), true)
        await sessions.create({}, { userId: 'ada', deviceId: 'x' })
        await sessions.create({}, { userId: 'ada', deviceId: 'x' })
        assert.equal(await sessions.user('ada').revokeAll(), 1)
        assert.equal(await sessions.revokeEveryone(), 0)
        assert.deepEqual(told, ['revoke', 'device', 'all'])
        await assert.rejects(
          sessions.watch(id, () => undefined),
          { name: 'StoreError', code: 'ERR_STORE_REPLY', message: /NOPERM/ },
        )
      })
      if (name === 'node-redis 6') assert.ok(warnings.some(({ code }) => code === 'COATCHECK_EVENTS'))
      await eventually(async () => (await connections()) === before)
      await sessions.close()
    })

    it('hears again after Redis has been started anew', TEST, async (t) => {
      const port = await freePort()
      let own = await startRedis({ port })
      t.after(() => own.stop())
      const prefix = newPrefix()
      const [here, there] = await Promise.all(
        [1, 2].map(async () =>
          sessionsOn(redisStore(await connected(t, own.url), { prefix }), { storeTimeout: '20s' }),
        ),
      )
      assert.ok(here && there)
      t.after(() => Promise.all([here.close(), there.close()]))
      const events = await eventsOf(there)
      await own.stop()
      own = await startRedis({ port })
      const eye = await own.connect()
      await eventually(async () => (await eye.pubSubNumSub([`${prefix}events`]))[`${prefix}events`] === 1)
      const { id } = await here.create()
      await eventually(() => events.some((event) => event.id === id && !event.local))
      assert.equal(events.filter((event) => event.id === id).length, 1)
    })

    it('hears as soon as Redis comes, when it was away at first', TEST, async (t) => {
      const port = await freePort()
      const client = newClient(`redis://127.0.0.1:${port}`)
      t.after(() => client.destroy())
      client.on('error', () => undefined)
      const connecting = client.connect()
      const prefix = newPrefix()
      const sessions = sessionsOn(redisStore(client, { prefix }), { storeTimeout: 300 })
      t.after(() => sessions.close())
      const revoked: (string | null)[] = []
      sessions.on('revoked', ({ id }) => revoked.push(id))
      await assert.rejects(
        sessions.watch('x'.repeat(24), () => undefined),
        { name: 'StoreError', code: 'ERR_STORE_TIMEOUT', outcome: 'none', status: 503 },
      )
      const late = await startRedis({ port })
      t.after(() => late.stop())
      await connecting
      const eye = await late.connect()
      await eventually(async () => (await eye.pubSubNumSub([`${prefix}events`]))[`${prefix}events`] === 1)
      const other = sessionsOn(redisStore(await connected(t, late.url), { prefix }))
      const { id } = await other.create()
      await other.revoke(id)
      await eventually(() => revoked.length > 0)
      assert.deepEqual(revoked, [id])
    })

    it('lets go of a Redis that never came', TEST, async (t) => {
      const client = newClient(`redis://127.0.0.1:${await freePort()}`)
      t.after(() => client.destroy())
      client.on('error', () => undefined)
      client.connect().catch(() => undefined)
      const sessions = sessionsOn(redisStore(client))
      sessions.on('revoked', () => undefined)
      await pause(20)
      const started = performance.now()
      await sessions.close()
      assert.ok(performance.now() - started < 10_000)
    })

    it('lets the process end when sessions and client are closed, in the midst of connecting too', TEST, async () => {
      for (const when of ['at once', 'later', 'away'] as const) {
        const url = when === 'away' ? `redis://127.0.0.1:${await freePort()}` : server.url
        const child = fork(new URL('listener.ts', import.meta.url), [name, url, when], { stdio: 'pipe' })
        let errors = ''
        child.stderr?.on('data', (text) => {
          errors += text
        })
        const [code] = await once(child, 'exit')
        assert.deepEqual([code, errors.replace(/.*(?:Warning|trace-warnings).*\n/g, '')], [0, ''], when)
      }
    })
  })
}
