-- Ends a session. Works also when Redis is out of memory: it only deletes.
--
-- KEYS     session hash, then the index keys
-- ARGV     user id, monitoring, session id, channel, event
-- Returns  { 'ok', now } | { 'ended' } | { 'moved', id } | { 'sealed' } | { 'user', id }

local session, reply = alive(KEYS[1])
if not session then return reply end
redis.call('DEL', KEYS[1])
index_drop(indexes_from(2), ARGV[3])
announce(nil, ARGV[3])
return { 'ok', NOW }
