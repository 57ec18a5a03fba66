-- Ends a session that somebody has taken over, if its seal still holds: else others may have written to it since. What remains
-- may say, for a while, which session of another store goes on in its place, and then that the id is over.
--
-- KEYS     session hash, then the index keys
-- ARGV     user id, monitoring, session id, whose seal, then the id of the session in its place, for how many ms to tell it, for
--          how many ms to remember that the id is over (all '' for none), channel, event
-- Returns  { 'ok', now } | { 'ended' } (gone already) | { 'lapsed' }

local key, id, successor = KEYS[1], ARGV[3], ARGV[5]
local f = redis.pcall('HMGET', key, '_sealed_by', '_sealed_until', '_ended', '_adopted_as')
-- Delivered twice: it has been done.
if f[4] and f[4] == successor then return { 'ok', NOW } end -- guard: adopted already
if f[4] then return { 'lapsed' } end -- guard: adopted by another
if redis.call('EXISTS', key) == 0 or f[3] then return { 'ended' } end
if f[1] ~= ARGV[4] or NOW >= tonumber(f[2]) then return { 'lapsed' } end -- guard: seal lapsed
redis.call('DEL', key)
if successor ~= '' then
  -- After the first write of a script Redis refuses no other for want of memory.
  redis.call('HSET', key, '_ended', NOW, '_adopted_as', successor, '_adopted_until', NOW + ARGV[6])
  redis.call('PEXPIREAT', key, NOW + math.max(ARGV[6], ARGV[7])) -- guard: pointer expires
end
index_drop(indexes_from(2), id)
announce(nil, id)
return { 'ok', NOW }
