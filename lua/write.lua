-- Sets fields of a session that is plainly alive. It is no access: nothing is extended, so nothing has to be known of the session
-- but that. Most writes are this one, so it does as little as can be.
--
-- KEYS     session hash
-- ARGV     field, value, …
-- Returns  { 'written' } | { 'unsure' } (nothing was written: commit finds out)

local f = redis.pcall('HMGET', KEYS[1], 'created_at', '_successor', '_sealed_until', '_v')
if not f[1] then return { 'unsure' } end -- guard: alive
if f[2] then return { 'unsure' } end -- guard: rotated
if f[3] then return { 'unsure' } end -- guard: seal
if f[4] then return { 'unsure' } end -- guard: later format
redis.call('HSET', KEYS[1], unpack(ARGV))
return { 'written' }
