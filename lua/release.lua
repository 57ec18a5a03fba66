-- Ends a session that a login has taken over, if its seal still holds: else others may have written to it since.
--
-- KEYS     session hash, then the index keys
-- ARGV     user id, monitoring, session id, whose seal, channel, event
-- Returns  { 'ok', now } | { 'ended' } (gone already) | { 'lapsed' }

local key, id = KEYS[1], ARGV[3]
local f = redis.pcall('HMGET', key, '_sealed_by', '_sealed_until', '_ended')
if redis.call('EXISTS', key) == 0 or f[3] then return { 'ended' } end
if f[1] ~= ARGV[4] or NOW >= tonumber(f[2]) then return { 'lapsed' } end -- guard: seal lapsed
redis.call('DEL', key)
index_drop(indexes_from(2), id)
announce(nil, id)
return { 'ok', NOW }
