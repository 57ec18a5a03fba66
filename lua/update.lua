-- Sets one field if it still holds what the caller has read (compare and set), and extends the idle expiry.
--
-- KEYS     session hash, then the index keys
-- ARGV     user id, monitoring, session id, field,
--          '1' or '' (the field was present), the value it had, '1' or '' (it is to be present), its new value
-- Returns  { 'ok', now } | { 'conflict' } (absent now) | { 'conflict', value now }
--          | { 'ended' } | { 'moved', id } | { 'sealed' } | { 'user', id }

local key, id, field = KEYS[1], ARGV[3], ARGV[4]
local session, reply = alive(key)
if not session then return reply end

local value = redis.call('HGET', key, field)
local expected = ARGV[5] == '1' and ARGV[6]
if value ~= expected then return value and { 'conflict', value } or { 'conflict' } end -- guard: compare

if ARGV[7] == '1' then
  redis.call('HSET', key, 'last_accessed_at', NOW, field, ARGV[8])
else
  redis.call('HSET', key, 'last_accessed_at', NOW)
  redis.call('HDEL', key, field)
end
extend(key, indexes_from(2), id, session)
return { 'ok', NOW }
