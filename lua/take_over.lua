-- Begins to take over a session that connect-redis keeps, if it still is as the caller has read it: marks it, so that no
-- instance of ours writes it there any more. The mark is white space at its end, which connect-redis reads past. Whoever finds
-- this mark goes on with taking over, so a process that crashes loses nothing.
--
-- KEYS     connect-redis's key
-- ARGV     '', '', mark of what is being taken over, mark of what has been (as long), SHA-1 of what the caller has read
-- Returns  { 'ok', now, milliseconds left or -1 } | { 'changed' } (it is something else by now, or gone)

local key, begun = KEYS[1], ARGV[3]
local json = redis.pcall('GET', key)
if type(json) ~= 'string' or redis.sha1hex(json) ~= ARGV[5] then return { 'changed' } end -- guard: as read
if string.sub(json, -#begun) ~= begun then redis.call('SET', key, json .. begun, 'KEEPTTL') end -- guard: frozen
return { 'ok', NOW, redis.call('PTTL', key) }
