-- Writes a request's changes, all or nothing, and extends the idle expiry in the same step if that is due.
--
-- KEYS     session hash, then the index keys
-- ARGV     user id, monitoring, session id, new idle timeout in seconds or '', '1' to replace all data, requests to count,
--          milliseconds, and parts of the idle timeout, within which a touch is not due,
--          n, n × (field, value) to set, n, n × field to remove, n, n × (field, by) to increment
-- Returns  { 'ok', now, last accessed, n × new value of an increment as text } | { 'not-integer', field } | { 'out-of-range', field }
--          | { 'ended' } | { 'moved', id } | { 'sealed' } | { 'user', id }

-- coatcheck's own fields, which replacing the data leaves alone; as RESERVED_FIELDS in src/core/fields.ts (a test compares).
local RESERVED = {
  created_at = true, last_accessed_at = true, session_ttl = true, deadline = true, user_id = true, roles = true,
  authenticated_at = true, device = true, device_id = true, ip = true, request_count = true,
}

local key, id = KEYS[1], ARGV[3]
local session, reply = alive(key)
if not session then return reply end

local at = 9
local function take(width)
  local first = at + 1
  at = at + width * tonumber(ARGV[at]) + 1
  return first, at - 1
end
local set_first, set_last = take(2)
local remove_first, remove_last = take(1)
local increment_first, increment_last = take(2)

-- Nothing is written unless every increment can be: ±(2^53 - 1) is what a JavaScript number holds exactly.
local sums = {}
for i = increment_first, increment_last, 2 do
  local value = sums[ARGV[i]] or redis.call('HGET', key, ARGV[i]) or '0'
  if not (type(value) == 'number' or value == '0' or string.match(value, '^-?[1-9]%d*$')) then return { 'not-integer', ARGV[i] } end -- guard: integer
  local sum = tonumber(value) + tonumber(ARGV[i + 1])
  if math.abs(tonumber(value)) > 9007199254740991 or math.abs(sum) > 9007199254740991 then return { 'out-of-range', ARGV[i] } end -- guard: range
  sums[ARGV[i]] = sum
end

local due = is_due(session, ARGV[7], ARGV[8])
if ARGV[4] ~= '' then
  session.idle = milliseconds(ARGV[4])
  due = true -- guard: another idle timeout
end

-- Out of memory, Redis refuses the first of these and so the whole script: a write is never half done.
local answer = { 'ok', NOW, due and NOW or session.last_accessed_at }
if due then redis.call('HSET', key, 'last_accessed_at', NOW) end
for i = increment_first, increment_last, 2 do
  redis.call('HINCRBY', key, ARGV[i], ARGV[i + 1])
  answer[#answer + 1] = redis.call('HGET', key, ARGV[i])
end
if ARGV[4] ~= '' then redis.call('HSET', key, 'session_ttl', ARGV[4]) end
count_requests(key, ARGV[6])

-- Not all at once: there is no room on Lua's stack for any number of them.
for i = set_first, set_last, 1000 do redis.call('HSET', key, unpack(ARGV, i, math.min(i + 999, set_last))) end
for i = remove_first, remove_last do redis.call('HDEL', key, ARGV[i]) end
if ARGV[5] == '1' then
  local kept = {}
  for i = set_first, set_last, 2 do kept[ARGV[i]] = true end
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if not kept[field] and not RESERVED[field] and string.sub(field, 1, 1) ~= '_' then redis.call('HDEL', key, field) end
  end
end

if due then extend(key, indexes_from(2), id, session) end -- guard: touch
return answer
