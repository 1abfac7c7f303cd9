#!lua flags=allow-oom
-- Ends a replica's lease: others may take its jobs at once.
-- KEYS: replicas, my jobs. ARGV: me
-- Gives: jobs left.
local left = redis.call('HLEN', KEYS[2])
if left == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
elseif tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) > 1 then
  redis.call('ZADD', KEYS[1], 1, ARGV[1])
end
return left
