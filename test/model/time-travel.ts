import type { SessionStore } from '../../src/index.ts'
import type { RedisClient } from '../support/redis-server.ts'

// Time that passes at once. Redis's clock cannot be moved, so everything that it keeps is moved the other way: after a travel
// of an hour, every stored instant lies an hour further back. A store in memory is given another clock.

const TRAVEL = `
local ms = tonumber(ARGV[2])
local function earlier(instant) return string.format('%.0f', tonumber(instant) - ms) end
local INSTANTS = {
  'created_at', 'last_accessed_at', 'deadline', 'authenticated_at', '_grace_until', '_rotated_at', '_sealed_until',
}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'hash' then
    for _, field in ipairs(INSTANTS) do
      local instant = redis.call('HGET', key, field)
      if instant then redis.call('HSET', key, field, earlier(instant)) end
    end
  elseif kind == 'zset' then
    local entries = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #entries, 2 do redis.call('ZADD', key, earlier(entries[i + 1]), entries[i]) end
  elseif kind == 'string' then
    redis.call('SET', key, earlier(redis.call('GET', key)), 'KEEPTTL')
  else
    error('cannot take a ' .. kind .. ' along in time')
  end
  local expires = redis.call('PEXPIRETIME', key)
  if expires > 0 then redis.call('PEXPIREAT', key, earlier(expires)) end
end`

/** Lets `ms` milliseconds pass for everything under a prefix. */
export async function travel(client: RedisClient, prefix: string, ms: number): Promise<void> {
  await client.sendCommand(['EVAL', TRAVEL, '0', prefix, String(ms)])
}

/**
 * A memory store by another clock, in whole epoch milliseconds: it looks at `performance.now()`, which says something else
 * while one of its methods runs. They run at once, up to the promise that they return.
 * @param now what time it is, or was at an instant of the real `performance.now()`
 */
export function withClock(store: SessionStore, now: (instant?: number) => number): SessionStore {
  const at = <T>(monotonic: number, run: () => T): T => {
    const { now } = performance
    performance.now = () => monotonic
    try {
      return run()
    } finally {
      performance.now = now
    }
  }
  const started = at(0, () => Number(store.now()))
  const translated = (arg: unknown) => (isBegun(arg) ? { ...arg, begun: now(arg.begun) - started } : arg)
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => at(now() - started, () => Reflect.apply(method, target, args.map(translated)))
    },
  })
}

/** What to begin says when that began. */
function isBegun(arg: unknown): arg is { begun: number } {
  return typeof arg === 'object' && arg !== null && 'begun' in arg
}
