-- What the scripts share; the generator puts before each of them what that needs.
--
-- What changes the indexes is called with the index keys of the session's partition, in this order, after its own keys:
--   class   zset  session ids by expiry: the partition's guests, or its members
--   other   zset  the other one of these two
--   seen    zset  session ids by last access (monitoring)
--   user    zset  the user's session ids by expiry   } only for a session
--   users   zset  users by their latest expiry       } with a user
-- and with ARGV[1] = the session's user id or '', ARGV[2] = '1' if monitoring is on. A script that begins or ends sessions
-- takes, as the last two of ARGV, the channel on which to tell of it ('' for none), and what the caller says of it as JSON.

local USER = ARGV[1]
local MONITORING = ARGV[2] == '1'

-- One instant for everything that a script changes: epoch milliseconds by this server's clock.
local time = redis.call('TIME')
local NOW = time[1] * 1000 + math.floor(time[2] / 1000)

-- The index keys, which begin at KEYS[first].
local function indexes_from(first)
  return { class = KEYS[first], other = KEYS[first + 1], seen = KEYS[first + 2], user = KEYS[first + 3], users = KEYS[first + 4] }
end

-- Numbers as coatcheck writes them, as in src/core/record.ts (a test compares); tonumber alone takes 'nan', 'inf', '0x1' too.
local function instant(text)
  return text and #text <= 16 and string.match(text, '^%d+$') and tonumber(text)
end
local function milliseconds(text)
  local plain = text and #text <= 20 and (string.match(text, '^%d+$') or string.match(text, '^%d+%.%d+$'))
  local ms = plain and math.floor(tonumber(text) * 1000 + 0.5)
  return ms and ms >= 1 and ms < 1e13 and ms
end

-- The live session under `key`, or nil and the reply that says why there is none:
--   ended               no session (or nothing that this version can read, a key of another type included)
--   moved, id           rotated, and the grace lasts
--   user, id            alive, but of another user than the caller declared the keys for
--   sealed              a login is taking it over
local function alive(key)
  local f = redis.pcall('HMGET', key, 'created_at', 'last_accessed_at', 'session_ttl', 'deadline', 'user_id',
    '_successor', '_grace_until', '_sealed_until', '_v')
  if f[6] and NOW < (tonumber(f[7]) or 0) then return nil, { 'moved', f[6] } end -- guard: grace
  if f[9] then return nil, { 'ended' } end -- guard: later format
  local session = { last_accessed_at = instant(f[2]), idle = milliseconds(f[3]), deadline = instant(f[4]) }
  if not (instant(f[1]) and session.last_accessed_at and session.idle and session.deadline) then return nil, { 'ended' } end -- guard: alive
  if session.deadline <= NOW then redis.call('PEXPIREAT', key, session.deadline) return nil, { 'ended' } end -- guard: deadline
  if (f[5] or '') ~= USER then return nil, { 'user', f[5] or '' } end -- guard: user
  if f[8] and NOW < (tonumber(f[8]) or 0) then return nil, { 'sealed' } end -- guard: seal
  return session
end

-- When a session that is accessed now expires: the earlier of idle timeout and deadline.
local function expiry_of(session)
  return math.min(NOW + session.idle, session.deadline)
end

-- Whether the idle expiry is to be extended, by how long ago it last was: so many milliseconds, or such a part of the idle timeout.
local function is_due(session, longest, parts)
  return NOW - session.last_accessed_at >= math.min(tonumber(longest), session.idle / tonumber(parts))
end

-- GT alone never sets a first TTL: the key would be immortal. NX sets just that. Says whether the key now expires at `at`; if not,
-- it lives for longer already.
local function expire_index(key, at)
  if redis.call('PEXPIREAT', key, at, 'GT') == 1 then return true end
  return redis.call('PEXPIREAT', key, at, 'NX') == 1 -- guard: first expiry
end

-- Drops what has expired, a bounded number at a time: for what begins a session, since as many begin as expire
-- (docs/decisions/021-what-begins-prunes.md). Only `class` and `other` know what has to leave `seen`.
local function prune(index)
  for _, class in ipairs({ index.class, index.other }) do
    local gone = redis.call('ZRANGEBYSCORE', class, '-inf', NOW, 'LIMIT', 0, 100)
    if #gone > 0 then
      redis.call('ZREM', class, unpack(gone))
      if MONITORING then redis.call('ZREM', index.seen, unpack(gone)) end
    end
  end
  if index.user then redis.call('ZREMRANGEBYSCORE', index.user, '-inf', NOW) end
  if index.users and MONITORING then redis.call('ZREMRANGEBYSCORE', index.users, '-inf', NOW) end
end

-- The user's score among the users is the latest expiry of the user's sessions.
local function rank_user(index)
  if not (index.users and MONITORING) then return end
  local latest = redis.call('ZRANGE', index.user, -1, -1, 'WITHSCORES')
  if latest[1] and tonumber(latest[2]) > NOW then -- what has expired may stand there still
    redis.call('ZADD', index.users, latest[2], USER)
    expire_index(index.users, latest[2])
  else
    redis.call('ZREM', index.users, USER)
  end
end

-- Enters a session that expires at `at` in every index, also where memory pressure has taken it out.
local function index_put(index, id, at)
  redis.call('ZADD', index.class, at, id)
  expire_index(index.class, at)
  if MONITORING then
    redis.call('ZADD', index.seen, NOW, id)
    -- An index that ended before `seen` would leave its sessions there for ever. That of the class lives to `at` in any case.
    local last = expire_index(index.seen, at) and at or redis.call('PEXPIRETIME', index.seen)
    if last > at then redis.call('PEXPIREAT', index.class, last, 'GT') end -- guard: class outlives seen
    redis.call('PEXPIREAT', index.other, last, 'GT') -- guard: other outlives seen
  end
  if index.user then
    redis.call('ZADD', index.user, at, id)
    expire_index(index.user, at)
    rank_user(index)
  end
end

-- Takes a session out of every index.
local function index_drop(index, id)
  redis.call('ZREM', index.class, id)
  if MONITORING then redis.call('ZREM', index.seen, id) end
  if index.user then
    redis.call('ZREM', index.user, id)
    rank_user(index)
  end
end

-- Tells every process what has become of a session; the type is the caller's unless given. Without the right to publish,
-- writing goes on.
local NOTE
local function announce(type, id, more)
  local channel = ARGV[#ARGV - 1]
  if channel == '' then return end
  NOTE = NOTE or cjson.decode(ARGV[#ARGV])
  local event = { id = id, at = NOW }
  for name, value in pairs(NOTE) do event[name] = value end
  if type then event.type = type end
  if USER ~= '' then event.userId = USER end
  for name, value in pairs(more or {}) do event[name] = value end
  redis.pcall('PUBLISH', channel, cjson.encode(event))
end

-- Counts requests. A field that holds no integer, or no memory for it, is no reason to fail.
local function count_requests(key, n)
  if n ~= '0' then redis.pcall('HINCRBY', key, 'request_count', n) end
end

-- The accessed session's TTL and index entries. The hash's own last_accessed_at is written by the caller.
local function extend(key, index, id, session)
  local at = expiry_of(session)
  redis.call('PEXPIREAT', key, at)
  index_put(index, id, at)
end
