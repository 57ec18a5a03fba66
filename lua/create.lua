-- Begins a session; with a user, within the user's limit: the oldest by created_at end, never the newcomer.
-- The hashes of sessions that may end must be declared as keys, so they come from an earlier answer 'crowded'.
--
-- KEYS     session hash, the index keys, then the hashes of the user's sessions
-- ARGV     user id, monitoring, session id, idle timeout in seconds, lifetime in ms,
--          limit, '1' to refuse when full, n, n × id of the user's sessions, then (field, value) of the data
-- Returns  { 'ok', now } | { 'full' } | { 'crowded', ids of the user's sessions }

local key, id = KEYS[1], ARGV[3]
local limit, refuse, n = tonumber(ARGV[6]), ARGV[7] == '1', tonumber(ARGV[8])
local index = indexes_from(2)
local first_hash = USER == '' and 5 or 7

-- Delivered twice: the session is there already.
if redis.call('EXISTS', key) == 1 then return { 'ok', NOW } end

local evict = {}
if USER ~= '' then
  local ids = redis.call('ZRANGEBYSCORE', index.user, '(' .. NOW, '+inf')
  if #ids >= limit then
    local same = #ids == n
    for i = 1, n do same = same and ids[i] == ARGV[8 + i] end
    if not same then return { 'crowded', ids } end -- guard: declared hashes
    local living = {}
    for i = 1, n do
      local created = tonumber(redis.pcall('HGET', KEYS[first_hash + i - 1], 'created_at'))
      if created then
        living[#living + 1] = { key = KEYS[first_hash + i - 1], id = ids[i], created = created }
      else
        evict[#evict + 1] = { id = ids[i] } -- an entry without a session counts for nothing
      end
    end
    if #living >= limit and refuse then return { 'full' } end -- guard: refuse
    table.sort(living, function(a, b) return a.created < b.created or (a.created == b.created and a.id < b.id) end)
    for i = 1, #living - limit + 1 do evict[#evict + 1] = living[i] end -- guard: evict
  end
end

local session = { idle = milliseconds(ARGV[4]), deadline = NOW + tonumber(ARGV[5]) }
redis.call('HSET', key, 'created_at', NOW, 'last_accessed_at', NOW, 'session_ttl', ARGV[4], 'deadline', session.deadline)
redis.call('PEXPIREAT', key, expiry_of(session))
if USER ~= '' then redis.call('HSET', key, 'user_id', USER) end
for i = 9 + n, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
for _, old in ipairs(evict) do
  if old.key then redis.call('DEL', old.key) end
  index_drop(index, old.id)
end
index_put(index, id, expiry_of(session))
return { 'ok', NOW }
