import assert from 'node:assert/strict'
import { assertConsistent } from '../redis/consistency.ts'
import type { RedisClient } from '../support/redis-server.ts'
import type { Stored } from './entries.ts'
import type { Model } from './model.ts'
import type { Handle } from './operations.ts'

/** Every key under a prefix with its end: a hash as the fields that matter here, a sorted set as members and scores. */
const SNAPSHOT = `
local keys = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  local holds
  if redis.call('TYPE', key).ok == 'hash' then
    holds = redis.call('HMGET', key, '_successor', '_grace_until', 'created_at', 'user_id', '_reused', '_sealed_until')
  elseif redis.call('TYPE', key).ok == 'string' then
    holds = {}
  else
    holds = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  end
  keys[#keys + 1] = { key, redis.call('TYPE', key).ok, redis.call('PEXPIRETIME', key), holds }
end
return keys`

type Key = [key: string, kind: 'hash' | 'zset' | 'string', expires: number, holds: (string | null)[]]

/** How to read what Redis holds in the words of the model. */
interface Reading {
  /** What Redis says of an instant lies this far behind the model's time. */
  readonly travelled: number
  handleOf(id: string): Handle | undefined
}

/**
 * Fails unless Redis holds under a prefix what the model says and nothing else (the living sessions and the tombstones, each
 * with its end to the millisecond), and the indexes agree with the hashes exactly.
 */
export async function assertHeld(
  client: RedisClient,
  prefix: string,
  model: Model,
  { travelled, handleOf }: Reading,
): Promise<void> {
  const [reply] = await Promise.all([
    client.sendCommand(['EVAL', SNAPSHOT, '0', prefix]),
    assertConsistent(client, prefix, model.rules),
  ])
  const keys = reply as unknown as Key[]
  const found = new Map<Handle | string, Stored>()
  for (const [key, kind, expiry, [successor, graceUntil, , , reused, sealedUntil]] of keys) {
    if (kind !== 'hash') continue
    const sealed = Number(sealedUntil) + travelled > model.now
    const leads = successor != null && {
      successor: handleOf(successor) ?? Number.NaN,
      graceUntil: Number(graceUntil) + travelled,
      reused: reused != null,
    }
    const id = key.slice(prefix.length).replace(/^\{(..)\}:/, '$1')
    found.set(handleOf(id) ?? key, { ...(leads || { sealed }), expires: expiry + travelled })
  }
  assert.deepEqual(found, model.stored(), 'Redis holds other sessions or tombstones than the model')
  assertPruned(keys)
}

/**
 * What begins a session drops what has expired by then: of the partition's sessions, of the user's, and of the users. So whatever
 * is still listed has expired later than the last of the sessions began that are still there.
 */
function assertPruned(keys: readonly Key[]): void {
  const lastBegun = new Map<string, number>()
  for (const [key, kind, , [successor, , created, userId]] of keys) {
    if (kind !== 'hash' || successor != null) continue
    const partition = key.slice(0, key.indexOf('}:') + 2)
    const indexes = ['guests', 'members', ...(userId == null ? [] : ['users', `user:${userId}`])]
    for (const index of indexes.map((name) => partition + name)) {
      lastBegun.set(index, Math.max(lastBegun.get(index) ?? 0, Number(created)))
    }
  }
  const scores = new Map(keys.map(([key, , , holds]) => [key, toScores(holds)]))
  for (const [index, begun] of lastBegun) {
    for (const [member, score] of scores.get(index) ?? []) {
      assert.ok(score > begun, `${index} still lists ${member}`)
    }
  }
}

function toScores(flat: readonly (string | null)[]): Map<string, number> {
  const scores = new Map<string, number>()
  for (let i = 0; i + 1 < flat.length; i += 2) scores.set(String(flat[i]), Number(flat[i + 1]))
  return scores
}
