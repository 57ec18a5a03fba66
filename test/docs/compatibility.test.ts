import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RESERVED_FIELDS } from '../../src/core/fields.ts'
import { createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { startRedis } from '../support/redis-server.ts'
import { readPage, tableRows } from './pages.ts'

const PAGE = readPage('docs/compatibility.md')
const FROM_THE_START = [
  ...['created_at', 'last_accessed_at', 'session_ttl', 'deadline', 'user_id'],
  ...['_successor', '_grace_until'],
]

test('docs/compatibility.md names every reserved field', () => {
  const [, sentence = ''] = /\*\*Reserved names\.\*\*(.*?) and every name/s.exec(PAGE) ?? []
  assert.deepEqual([...sentence.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort(), [...RESERVED_FIELDS].sort())
})

test('docs/compatibility.md lists every field that was added since, and no other', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const store = redisStore(await redis.connect())
  const sessions = createSessions({ store, rotationGrace: 0 })
  const request = async (token?: string) => {
    const req = {}
    await sessions.openRequest(req, token && `__Host-sid=${token}`)
    return sessions.of(req)
  }
  const found = new Set<string>()
  const collect = async () => {
    for (const value of Object.values(await redis.dump())) {
      if (typeof value !== 'object' || Array.isArray(value)) continue
      for (const name of Object.keys(value ?? {})) found.add(name)
    }
  }
  const { token } = await sessions.create({})
  const { token: next } = await sessions.rotate(token)
  assert.equal(await sessions.load(token), null)
  const visitor = await request(next!)
  await visitor.login('ada', { roles: ['admin'], deviceId: 'phone', remember: {} })
  // The tests have no client's address.
  found.add('ip')
  await (await request()).login('ada', { device: 'laptop' })
  const sealed = await sessions.create({})
  const call = { signal: new AbortController().signal, expired: false, remaining: 1000, outcome: 'none' } as const
  await store.seal({ id: sealed.id, userId: null }, 'a login', 60_000, { ...call })
  const adopted = { id: (await sessions.create({})).id, userId: null }
  const pointer = { successor: sealed.id, ms: 60_000, remember: 0 }
  const note = { from: 'test', type: 'test', cause: 'test', actor: null, previous: null }
  await store.seal(adopted, 'an adoption', 60_000, { ...call })
  await store.release(adopted, 'an adoption', pointer, note, { ...call })
  await visitor.rotate()
  await collect()

  const listed = tableRows(PAGE, 'Sessions from before there were logins').flatMap(
    ([cell = '']) => cell.match(/\w+/g) ?? [],
  )
  assert.deepEqual(listed.toSorted(), [...found].filter((name) => !FROM_THE_START.includes(name)).toSorted())
})
