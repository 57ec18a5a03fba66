-- Ends a session. Works also when Redis is out of memory: it deletes first. And also while a login is taking the session over:
-- the login has what it held, and should it fail, the session must not come back. Where asked for, a tombstone remembers that
-- the id is over, also if there is no such session: then nothing can be created under it.
--
-- KEYS     session hash, then the index keys
-- ARGV     user id, monitoring, session id, for how many ms to remember it or 0, channel, event
-- Returns  { 'ok', now } | { 'ended' } | { 'moved', id } | { 'user', id }

local key, id, remember = KEYS[1], ARGV[3], tonumber(ARGV[4])

-- The DEL comes first also where nothing is left to delete: out of memory, Redis refuses a script that begins with HSET.
local function bury()
  redis.call('DEL', key)
  index_drop(indexes_from(2), id)
  if remember == 0 then return end
  redis.call('HSET', key, '_ended', NOW)
  redis.call('PEXPIREAT', key, NOW + remember) -- guard: tombstone expires
end

local session, reply = alive(key)
if not session and reply[1] ~= 'sealed' then
  -- What is no session that this version can read stays, and so does an earlier tombstone.
  if remember > 0 and reply[1] == 'ended' and redis.call('EXISTS', key) == 0 then bury() end -- guard: nothing there
  return reply -- guard: alive
end
bury()
announce(nil, id)
return { 'ok', NOW }
