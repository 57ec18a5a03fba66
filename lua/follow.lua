-- Reads the successor of a rotated session, if the grace lasts; afterwards, tells of the first use of the old token.
--
-- KEYS     tombstone, successor's hash
-- ARGV     '', '', successor's id, channel, event ('' if no token was used)
-- Returns  { 'ok', now, what HGETALL returns } | { 'ended' } | { 'reused', 1 or 0 } (for the first time)

local f = redis.pcall('HMGET', KEYS[1], '_grace_until', '_reused')
local grace_until = tonumber(f[1] or nil)
if not grace_until then return { 'ended' } end
if NOW < grace_until then return { 'ok', NOW, redis.call('HGETALL', KEYS[2]) } end -- guard: grace
if f[2] or ARGV[#ARGV] == '' then return { 'reused', 0 } end -- guard: reuse once
redis.pcall('HSET', KEYS[1], '_reused', '1')
announce(nil, ARGV[3], { userId = redis.pcall('HGET', KEYS[2], 'user_id') or cjson.null })
return { 'reused', 1 }
