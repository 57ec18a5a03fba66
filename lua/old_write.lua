-- Writes a session where connect-redis keeps it, or only extends its expiry, if it is still there and has not been taken over.
--
-- KEYS     connect-redis's key
-- ARGV     '', '', mark of what is being taken over, mark of what has been (as long), milliseconds until it expires,
--          JSON or '' (it only has another expiry)
-- Returns  { 'ok', now } | { 'taken' } | { 'gone' }

local key = KEYS[1]
local before = redis.pcall('GET', key)
if type(before) ~= 'string' then return { 'gone' } end -- guard: gone
local mark = string.sub(before, -#ARGV[3])
if mark == ARGV[3] or mark == ARGV[4] then return { 'taken' } end -- guard: taken meanwhile
if ARGV[6] == '' then
  redis.call('PEXPIRE', key, ARGV[5])
else
  redis.call('SET', key, ARGV[6], 'PX', ARGV[5])
end
return { 'ok', NOW }
