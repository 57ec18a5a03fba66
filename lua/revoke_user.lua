-- Ends a user's sessions, and has logins that began before fail. All of them in one step, if all of them are declared.
--
-- KEYS     the index keys, when the user was last logged out everywhere, then the hashes of the sessions
-- ARGV     user id, monitoring, id of the session that goes on or '', '1' if these are all that the user has,
--          how long in ms a login may be under way, n, n × id of the sessions, channel, event
-- Returns  { 'ok', now with three decimals, ids that have ended } | { 'changed', ids of the user's sessions, at most 1001 }
--          | { 'ended' } (the session that is to go on has ended)

local keep, all, n = ARGV[3], ARGV[4] == '1', tonumber(ARGV[6])
local index = indexes_from(1)
local since = KEYS[6]

if keep ~= '' and not redis.call('ZSCORE', index.user, keep) then return { 'ended' } end
if all then
  local same = redis.call('ZCARD', index.user) == n
  for i = 1, n do same = same and redis.call('ZSCORE', index.user, ARGV[6 + i]) end
  if not same then return { 'changed', redis.call('ZRANGE', index.user, 0, 1000) } end -- guard: all declared
end

-- Deleting first: out of memory, Redis refuses a script that begins with SET.
redis.call('DEL', since)
local gone, ended = {}, {}
for i = 1, n do
  local id = ARGV[6 + i]
  if id ~= keep and redis.call('ZREM', index.user, id) == 1 then
    gone[#gone + 1] = id
    if redis.call('DEL', KEYS[6 + i]) == 1 then ended[#ended + 1] = id end
  end
end
if #gone > 0 then
  redis.call('ZREM', index.class, unpack(gone))
  if MONITORING then redis.call('ZREM', index.seen, unpack(gone)) end
end
rank_user(index)

-- In microseconds: a login that began in the same millisecond must not pass for a later one.
local exactly = string.format('%d.%03d', NOW, time[2] % 1000)
redis.call('SET', since, exactly, 'PX', ARGV[5]) -- guard: since
for _, id in ipairs(ended) do announce(nil, id) end
return { 'ok', exactly, ended }
