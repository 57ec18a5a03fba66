-- Marks a session of connect-redis as taken over. It stays until it expires, for going back to connect-redis.
--
-- KEYS     connect-redis's key
-- ARGV     '', '', mark of what is being taken over, mark of what has been (as long), milliseconds for a key without a TTL
-- Returns  { 'ok', now } | { 'gone' }

local key, begun, done = KEYS[1], ARGV[3], ARGV[4]
local json = redis.pcall('GET', key)
if type(json) ~= 'string' then return { 'gone' } end
local mark = string.sub(json, -#done)
if mark == begun then json = string.sub(json, 1, -#begun - 1) end
if mark ~= done then redis.call('SET', key, json .. done, 'KEEPTTL') end
redis.call('PEXPIRE', key, ARGV[5], 'NX') -- guard: copy expires
return { 'ok', NOW }
