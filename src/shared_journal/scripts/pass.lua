#!lua flags=allow-oom
-- Hands jobs to the other replicas that this one may not post or cannot open: into the hash of a replica that does not
-- live, called `parcel:...`, whose lease is over soon. That is no death: `take` does not count it.
-- KEYS: replicas, my jobs, their jobs. ARGV: me, them, their lease in ms, then job, job, ...
-- Gives: 1, time, how many; or 0 and time: I have no lease, and nothing was passed on.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local lease = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if lease <= 1 then return {0, now} end
local passed = 0
for i = 4, #ARGV do
  local value = redis.call('HGET', KEYS[2], ARGV[i])
  if value then
    redis.call('HSET', KEYS[3], ARGV[i], value)
    redis.call('HDEL', KEYS[2], ARGV[i])
    passed = passed + 1
  end
end
if passed > 0 then redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2]) end
return {1, now, passed}
