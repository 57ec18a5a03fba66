-- Gives a session a new key. The old one becomes a tombstone: it leads to the successor while the grace lasts, then
-- nowhere, stands in no index, is never touched, and is remembered for the reuse window.
--
-- KEYS     session hash, successor's hash, then the index keys
-- ARGV     user id, monitoring, session id, successor's id, grace in ms, reuse window in ms,
--          '' or, to begin anew, the lifetime in ms, the idle timeout in seconds,
--          n, n × (field, value) of coatcheck's own to set, n, n × field to remove, channel, event
-- Returns  { 'ok', now } | { 'ended' } | { 'moved', id } | { 'sealed' } | { 'user', id }

local old, new, old_id, new_id = KEYS[1], KEYS[2], ARGV[3], ARGV[4]
local index = indexes_from(3)

-- Delivered twice: it has been done.
if redis.pcall('HGET', old, '_successor') == new_id then return { 'ok', NOW } end
local session, reply = alive(old)
if not session then return reply end

-- Keeps the fields and the TTL, and takes no memory.
redis.call('RENAME', old, new)
local reuse_until = math.min(NOW + math.max(tonumber(ARGV[5]), tonumber(ARGV[6])), session.deadline)
redis.call('HSET', old, '_successor', new_id, '_grace_until', NOW + tonumber(ARGV[5]))
redis.call('PEXPIREAT', old, reuse_until) -- guard: tombstone expires
index_drop(index, old_id)
redis.call('HSET', new, 'last_accessed_at', NOW, '_rotated_at', NOW)
if ARGV[7] ~= '' then
  session = { idle = milliseconds(ARGV[8]), deadline = NOW + tonumber(ARGV[7]) }
  redis.call('HSET', new, 'created_at', NOW, 'authenticated_at', NOW, 'session_ttl', ARGV[8], 'deadline', session.deadline)
  prune(index) -- guard: prune
end
local set, last = 10, 9 + 2 * tonumber(ARGV[9])
for i = set, last, 2 do redis.call('HSET', new, ARGV[i], ARGV[i + 1]) end
for i = last + 2, last + 1 + tonumber(ARGV[last + 1]) do redis.call('HDEL', new, ARGV[i]) end
extend(new, index, new_id, session)
announce(nil, new_id, { previous = old_id })
return { 'ok', NOW }
