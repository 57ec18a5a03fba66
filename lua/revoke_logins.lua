-- Has logins of anybody that began before fail, in one partition.
--
-- KEYS     when everyone was last logged out
-- ARGV     '', '', how long in ms a login may be under way
-- Returns  { 'ok', now with three decimals }

-- Deleting first: out of memory, Redis refuses a script that begins with SET.
redis.call('DEL', KEYS[1])
-- In microseconds: a login that began in the same millisecond must not pass for a later one.
local exactly = string.format('%d.%03d', NOW, time[2] % 1000)
redis.call('SET', KEYS[1], exactly, 'PX', ARGV[3]) -- guard: since
return { 'ok', exactly }
