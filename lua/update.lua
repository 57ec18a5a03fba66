-- Sets one field if it still holds what the caller has read (compare and set), and extends the idle expiry if that is due.
--
-- KEYS     session hash, then the index keys
-- ARGV     user id, monitoring, session id, field,
--          '1' or '' (the field was present), the value it had, '1' or '' (it is to be present), its new value,
--          milliseconds, and parts of the idle timeout, within which a touch is not due
-- Returns  { 'ok', now, last accessed } | { 'conflict' } (absent now) | { 'conflict', value now }
--          | { 'ended' } | { 'moved', id } | { 'sealed' } | { 'user', id }

local key, id, field = KEYS[1], ARGV[3], ARGV[4]
local session, reply = alive(key)
if not session then return reply end

local value = redis.call('HGET', key, field)
local expected = ARGV[5] == '1' and ARGV[6]
if value ~= expected then return value and { 'conflict', value } or { 'conflict' } end -- guard: compare

local due = is_due(session, ARGV[9], ARGV[10])
if due then redis.call('HSET', key, 'last_accessed_at', NOW) end
if ARGV[7] == '1' then
  redis.call('HSET', key, field, ARGV[8])
else
  redis.call('HDEL', key, field)
end
if not due then return { 'ok', NOW, session.last_accessed_at } end
extend(key, indexes_from(2), id, session) -- guard: touch
return { 'ok', NOW, NOW }
