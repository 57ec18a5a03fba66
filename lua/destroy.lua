-- Ends a session. Works also when Redis is out of memory: it only deletes. And also while a login is taking the session over:
-- the login has what it held, and should it fail, the session must not come back.
--
-- KEYS     session hash, then the index keys
-- ARGV     user id, monitoring, session id, channel, event
-- Returns  { 'ok', now } | { 'ended' } | { 'moved', id } | { 'user', id }

local session, reply = alive(KEYS[1])
if not session and reply[1] ~= 'sealed' then return reply end -- guard: alive
redis.call('DEL', KEYS[1])
index_drop(indexes_from(2), ARGV[3])
announce(nil, ARGV[3])
return { 'ok', NOW }
