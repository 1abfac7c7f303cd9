#!lua flags=allow-oom
-- Tries each command that the scripts of a shared journal call, on keys that are gone afterwards.
-- KEYS: a hash, a sorted set. Gives: name, error, name, error, ... of those that fail.
local hash, set = KEYS[1], KEYS[2]
local failed = {}
local function try(...)
  local result = redis.pcall(...)
  local error = type(result) == 'table' and result.err
  if error then failed[#failed + 1] = ...; failed[#failed + 1] = error end
  return not error
end
try('TIME')
-- What deletes comes first: where it may not, nothing is written that would stay.
if try('HDEL', hash, 'field') then try('HSET', hash, 'field', 'value') end
try('HGET', hash, 'field')
try('HMGET', hash, 'field')
try('HLEN', hash)
try('HSCAN', hash, '0')
try('HDEL', hash, 'field')
if try('ZREM', set, 'member') then try('ZADD', set, '1', 'member') end
try('ZSCORE', set, 'member')
try('ZRANGE', set, '0', '-1')
try('ZRANGEBYSCORE', set, '0', '1')
try('ZREMRANGEBYSCORE', set, '2', '3')
try('ZREM', set, 'member')
return failed
