-- Extends the idle expiry of a session: the earlier of now + idle timeout and the deadline.
--
-- KEYS     session hash, then the index keys
-- ARGV     user id, monitoring, session id, milliseconds within which a touch is not due, requests to count
-- Returns  { 'ok', now, last accessed } | { 'ended' } | { 'moved', id } | { 'sealed' } | { 'user', id }

local key, id, every = KEYS[1], ARGV[3], tonumber(ARGV[4])
local session, reply = alive(key)
if not session then return reply end
if NOW - session.last_accessed_at < every then
  count_requests(key, ARGV[5])
  return { 'ok', NOW, session.last_accessed_at }
end

-- The expiry first: out of memory, Redis refuses a script that begins with HSET, and then sessions in use would expire.
redis.call('PEXPIREAT', key, expiry_of(session))
redis.call('HSET', key, 'last_accessed_at', NOW)
count_requests(key, ARGV[5])
-- If that instant had passed already, the key is gone, and what was written behind it has made another one.
redis.call('PEXPIREAT', key, expiry_of(session)) -- guard: expiry behind writes
index_put(indexes_from(2), id, expiry_of(session))
return { 'ok', NOW, NOW }
