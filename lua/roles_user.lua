-- Gives all sessions of a user other roles, in one step if all of them are declared.
--
-- KEYS     the index keys, then the hashes of the sessions
-- ARGV     user id, monitoring, '1' if these are all that the user has, roles or '',
--          n, n × id of the sessions, channel, event
-- Returns  { 'ok', now, ids that were changed } | { 'changed' } (these are not all)

local all, roles, n = ARGV[3] == '1', ARGV[4], tonumber(ARGV[5])
local index = indexes_from(1)
if all then
  local same = redis.call('ZCARD', index.user) == n
  for i = 1, n do same = same and redis.call('ZSCORE', index.user, ARGV[5 + i]) end
  if not same then return { 'changed' } end -- guard: all declared
end

local changed = {}
for i = 1, n do
  local key = KEYS[5 + i]
  -- What has expired must not come back as a hash of one field.
  if redis.pcall('HGET', key, 'user_id') ~= USER then key = nil end -- guard: alive
  if key then
    if roles == '' then redis.call('HDEL', key, 'roles') else redis.call('HSET', key, 'roles', roles) end
    changed[#changed + 1] = ARGV[5 + i]
  end
end
for _, id in ipairs(changed) do announce(nil, id) end
return { 'ok', NOW, changed }
