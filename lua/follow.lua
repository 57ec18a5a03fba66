-- Reads the successor of a rotated session, if the grace lasts.
--
-- KEYS     tombstone, successor's hash
-- ARGV     '', ''
-- Returns  { 'ok', now, what HGETALL returns } | { 'ended' }

local grace_until = tonumber(redis.call('HGET', KEYS[1], '_grace_until') or nil)
if not (grace_until and NOW < grace_until) then return { 'ended' } end -- guard: grace
return { 'ok', NOW, redis.call('HGETALL', KEYS[2]) }
