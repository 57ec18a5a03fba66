import assert from 'node:assert/strict'
import { LOGIN_LASTS } from '../../src/redis/commands.ts'
import type { RedisClient } from '../support/redis-server.ts'

// Whether everything under a prefix agrees with itself: every index says of the sessions just what their hashes say.

/** Everything under a prefix at one instant. */
const SNAPSHOT = `
local time = redis.call('TIME')
local keys = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  local kind = redis.call('TYPE', key).ok
  local holds
  if kind == 'hash' then holds = redis.call('HGETALL', key) end
  if kind == 'zset' then holds = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  keys[#keys + 1] = { key = key, kind = kind, holds = holds, expires = redis.call('PEXPIRETIME', key) }
end
return cjson.encode({ now = time[1] * 1000 + math.floor(time[2] / 1000), keys = keys })`

interface Snapshot {
  readonly now: number
  readonly keys: readonly { key: string; kind: string; holds?: readonly string[]; expires: number }[]
}

const SINCE = /^\{\w\w\}:since:/

/** What one sorted set holds: scores by member. */
type Index = Map<string, number>

/** Fails unless the indexes under `prefix` hold exactly the living sessions with the right scores, and everything expires. */
export async function assertConsistent(client: RedisClient, prefix: string, { monitoring = true } = {}): Promise<void> {
  const reply = (await client.sendCommand(['EVAL', SNAPSHOT, '0', prefix])) as string
  const { now, keys: found } = JSON.parse(reply) as Snapshot
  // Lua knows one kind of empty table.
  const keys = Array.isArray(found) ? found : []

  const expected = new Map<string, Index>()
  const enter = (key: string, member: string, score: number) => {
    const index = expected.get(key) ?? new Map()
    expected.set(key, index.set(member, Math.max(score, index.get(member) ?? 0)))
  }
  for (const { key, kind, holds, expires } of keys) {
    assert.ok(expires > 0, `${key} has no TTL`)
    if (kind !== 'hash') continue
    const fields = toObject(holds)
    const own = key.slice(prefix.length)
    const [, tag, rest] = /^\{(\w\w)\}:([\w-]{22})$/.exec(own) ?? assert.fail(`${key} is no session key`)
    if (fields._successor !== undefined) {
      const { _reused, ...rest } = fields
      assert.ok(_reused === undefined || _reused === '1', `${key} is a tombstone that was used ${_reused}`)
      // Only after the grace is the use of the old token told.
      if (_reused) assert.ok(Number(fields._grace_until) <= now, `${key} is a tombstone that was used too early`)
      assert.deepEqual(Object.keys(rest).sort(), ['_grace_until', '_successor'], `${key} is a tombstone and more`)
      continue
    }
    if (fields._ended !== undefined) {
      const { _adopted_as, _adopted_until, ...rest } = fields
      assert.equal(_adopted_as === undefined, _adopted_until === undefined, `${key} is half a pointer`)
      assert.deepEqual(Object.keys(rest), ['_ended'], `${key} remembers an end and more`)
      continue
    }
    const [deadline, accessed] = [Number(fields.deadline), Number(fields.last_accessed_at)]
    assert.equal(expires, Math.min(accessed + Math.round(Number(fields.session_ttl) * 1000), deadline), `TTL of ${key}`)
    assert.equal(fields._sealed_by === undefined, fields._sealed_until === undefined, `${key} is half sealed`)
    const id = `${tag}${rest}`
    const index = (name: string) => `${prefix}{${tag}}:${name}`
    enter(index(fields.user_id === undefined ? 'guests' : 'members'), id, expires)
    if (fields.user_id !== undefined) enter(index(`user:${fields.user_id}`), id, expires)
    if (!monitoring) continue
    enter(index('seen'), id, accessed)
    if (fields.user_id !== undefined) enter(index('users'), fields.user_id, expires)
  }

  const actual = new Map<string, Index>()
  const known = new Set<string>()
  for (const { key, kind, holds, expires } of keys) {
    if (kind === 'hash') continue
    if (kind === 'string') {
      // When somebody, or everybody, was logged out everywhere, and what replicas are waited for by. In no index: it ends by itself.
      assert.ok(SINCE.test(key.slice(prefix.length)) || key.endsWith('}:wait'), `${key} is a string`)
      assert.ok(expires <= now + LOGIN_LASTS, `${key} stays too long`)
      continue
    }
    assert.equal(kind, 'zset', `${key} is a ${kind}`)
    const entries = Object.entries(toObject(holds)).map(([member, score]) => [member, Number(score)] as const)
    const isSeen = key.endsWith('}:seen')
    // What has expired by itself may stand there until the next write in its partition.
    const living = entries.filter(([member, score]) => (isSeen ? expected.get(key)?.has(member) : score > now))
    if (living.length > 0) actual.set(key, new Map(living))
    if (/:(guests|members)$/.test(key)) for (const [id] of entries) known.add(id)
    if (!isSeen) for (const [, score] of living) assert.ok(expires >= score, `${key} ends before its entries`)
  }
  assert.deepEqual(actual, expected, 'indexes and hashes differ')

  for (const { key, holds, expires } of keys) {
    if (!key.endsWith('}:seen')) continue
    // Only the other two know when an entry of this one has to go: neither the entry nor the index may outlive them.
    const ids = Object.keys(toObject(holds))
    assert.deepEqual(
      ids.filter((id) => !known.has(id)),
      [],
      `${key} lists what no other index does`,
    )
    for (const name of ['guests', 'members']) {
      const other = keys.find((one) => one.key === key.replace(/seen$/, name))
      if (other) assert.ok(other.expires >= expires, `${other.key} ends before ${key}`)
    }
  }
}

function toObject(flat: readonly string[] = []): Record<string, string> {
  const object: Record<string, string> = Object.create(null)
  for (let i = 0; i + 1 < flat.length; i += 2) object[flat[i] as string] = flat[i + 1] as string
  return object
}
