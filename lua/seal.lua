-- Hands a session to a login: until the seal lapses, or the login releases it, nobody else can write to it.
--
-- KEYS     session hash
-- ARGV     user id, monitoring, session id, whose seal, how long in ms (0: gives it back)
-- Returns  { 'ok', now, what HGETALL returns } | { 'ended' } | { 'moved', id } | { 'sealed' } | { 'user', id }

local key, by, ms = KEYS[1], ARGV[4], tonumber(ARGV[5])
local f = redis.pcall('HMGET', key, '_sealed_by', '_sealed_until')
local mine = f[1] == by and NOW < tonumber(f[2])
if ms == 0 then
  if mine then redis.call('HDEL', key, '_sealed_by', '_sealed_until') end
  return { 'ended' }
end
-- Delivered twice: it has been done.
if mine then return { 'ok', NOW, redis.call('HGETALL', key) } end
local session, reply = alive(key)
if not session then return reply end
redis.call('HSET', key, '_sealed_by', by, '_sealed_until', NOW + ms)
return { 'ok', NOW, redis.call('HGETALL', key) }
