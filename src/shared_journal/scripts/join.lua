#!lua flags=allow-oom
-- Gives a replica its first lease, or the one that Redis has lost.
-- KEYS: replicas, fleet. ARGV: me, lease in ms
-- Gives: time.
local t = redis.call('TIME')
local now, ttl = t[1] * 1000 + math.floor(t[2] / 1000), tonumber(ARGV[2])
local beat = tonumber(redis.call('HGET', KEYS[2], 'beat') or 0) or 0
if now - beat > ttl / 2 or now < beat then redis.call('HSET', KEYS[2], 'grace', now + ttl) end
redis.call('HSET', KEYS[2], 'beat', now)
redis.call('ZADD', KEYS[1], now + ttl, ARGV[1])
return now
