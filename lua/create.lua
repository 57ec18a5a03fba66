-- Begins a session; with a user, within the user's limit: the oldest by created_at end, never the newcomer. Another session
-- of the user on the same device ends. The hashes of sessions that may have to end must be declared as keys, so they come
-- from an earlier answer 'crowded'.
--
-- KEYS     session hash, the index keys, with a user: when the user was last logged out everywhere, when everyone was, and
--          the hashes of the user's sessions
-- ARGV     user id, monitoring, session id, idle timeout in seconds, lifetime in ms, limit, '1' to refuse when full,
--          when the login began (epoch ms by this server's clock, at the earliest) or '', device id or '',
--          id of the user's session that this one takes over (it is about to end, so it does not count) or '',
--          n, n × id of the user's sessions, then (field, value) of coatcheck's own and of the data, channel, event
-- Returns  { 'ok', now, ids that ended at the limit, ids that ended for the device } | { 'ok', now, {}, {}, 1 } (there already)
--          | { 'ended' } (a tombstone stands there) | { 'full' } | { 'revoked' } | { 'crowded', ids of the user's sessions }

local key, id = KEYS[1], ARGV[3]
local limit, refuse, device, taken_over, n = tonumber(ARGV[6]), ARGV[7] == '1', ARGV[9], ARGV[10], tonumber(ARGV[11])
local index = indexes_from(2)
local ended, evicted, replaced = {}, {}, {}

if redis.call('EXISTS', key) == 1 then
  if redis.pcall('HMGET', key, '_ended')[1] then return { 'ended' } end -- guard: tombstone
  -- Delivered twice, or asked for by two at once.
  return { 'ok', NOW, {}, {}, 1 }
end

if USER ~= '' then
  for i = 7, 8 do
    local since = tonumber(redis.call('GET', KEYS[i]) or nil)
    if since and tonumber(ARGV[8]) < since then return { 'revoked' } end -- guard: login before log out everywhere
  end
  -- The ids only where some may have to end: a user may have very many.
  local count = redis.call('ZCOUNT', index.user, '(' .. NOW, '+inf')
  if count >= limit or (count > 0 and device ~= '') then
    local ids = redis.call('ZRANGEBYSCORE', index.user, '(' .. NOW, '+inf')
    local same = #ids == n
    for i = 1, n do same = same and ids[i] == ARGV[11 + i] end
    if not same then return { 'crowded', ids } end -- guard: declared hashes
    local living = {}
    for i = 1, n do
      local hash = KEYS[8 + i]
      local f = redis.pcall('HMGET', hash, 'created_at', 'device_id')
      local counts = true
      if ids[i] == taken_over then counts = false end -- guard: taken over
      if not tonumber(f[1]) then
        ended[#ended + 1] = { id = ids[i] } -- an entry without a session counts for nothing
      elseif counts and device ~= '' and f[2] == device then
        ended[#ended + 1] = { id = ids[i], hash = hash, told = replaced }
      elseif counts then
        living[#living + 1] = { id = ids[i], hash = hash, told = evicted, created = tonumber(f[1]) }
      end
    end
    if #living >= limit and refuse then return { 'full' } end -- guard: refuse
    table.sort(living, function(a, b) return a.created < b.created or (a.created == b.created and a.id < b.id) end)
    for i = 1, #living - limit + 1 do ended[#ended + 1] = living[i] end -- guard: evict
  end
end

local session = { idle = milliseconds(ARGV[4]), deadline = NOW + tonumber(ARGV[5]) }
redis.call('HSET', key, 'created_at', NOW, 'last_accessed_at', NOW, 'session_ttl', ARGV[4], 'deadline', session.deadline)
if USER ~= '' then redis.call('HSET', key, 'user_id', USER, 'authenticated_at', NOW) end
for i = 12 + n, #ARGV - 2, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
-- Last: if that instant has passed already, the key goes, and a write behind it would make another one, which lives for ever.
redis.call('PEXPIREAT', key, expiry_of(session))
for _, old in ipairs(ended) do
  index_drop(index, old.id)
  if old.hash then
    redis.call('DEL', old.hash)
    old.told[#old.told + 1] = old.id
  end
end
prune(index) -- guard: prune
index_put(index, id, expiry_of(session))

announce(nil, id)
for _, old in ipairs(evicted) do announce('evicted', old, { cause = 'limit', previous = cjson.null }) end
for _, old in ipairs(replaced) do announce('revoked', old, { cause = 'device', previous = cjson.null }) end
return { 'ok', NOW, evicted, replaced }
