#!lua flags=allow-oom
-- Renews the lease of a replica, deletes what it has settled, and says whose jobs may be taken over.
-- KEYS: replicas, fleet, dead, my jobs. ARGV: me, lease in ms, how many jobs are settled, these, then withdrawn ones
-- Gives: time, "ok", whose jobs may be taken, how many live, my jobs, withdrawn jobs that another replica relies on;
-- or time and "fenced": others have my jobs; or time and "unknown": Redis has lost me, and no other replica has them.
local t = redis.call('TIME')
local now, ttl = t[1] * 1000 + math.floor(t[2] / 1000), tonumber(ARGV[2])
local lease = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or -1)
if (lease >= 0 and lease <= 1) or redis.call('ZSCORE', KEYS[3], ARGV[1]) then return {now, 'fenced'} end
if lease < 0 then return {now, 'unknown'} end

local settled = 3 + tonumber(ARGV[3])
for i = 4, settled, 4000 do -- unpack takes fewer than 8,000
  redis.call('HDEL', KEYS[4], unpack(ARGV, i, math.min(i + 3999, settled)))
end
local relied = {}
for i = settled + 1, #ARGV do
  local value = redis.call('HGET', KEYS[4], ARGV[i])
  if value and #value >= 20 and math.floor(string.byte(value, 1) / 16) == 1 and string.byte(value, 20) % 2 == 1 then
    relied[#relied + 1] = ARGV[i] -- its copy was acknowledged elsewhere: see `put`
  elseif value then
    redis.call('HDEL', KEYS[4], ARGV[i])
  end
end

-- When the whole fleet was silent, Redis was away and not the replicas: for one lease none is taken for dead.
local beat = tonumber(redis.call('HGET', KEYS[2], 'beat') or 0) or 0
if now - beat > ttl / 2 or now < beat then redis.call('HSET', KEYS[2], 'grace', now + ttl) end
if now - beat > ttl / 10 or now < beat then redis.call('HSET', KEYS[2], 'beat', now) end
-- Not each time: a write costs more than a look. A lease that ends too late is of a clock that was set back.
if now + ttl - lease > ttl / 10 or lease - now > ttl then redis.call('ZADD', KEYS[1], now + ttl, ARGV[1]) end
local grace = tonumber(redis.call('HGET', KEYS[2], 'grace') or 0) or 0
if grace - now > 2 * ttl then grace = now + ttl; redis.call('HSET', KEYS[2], 'grace', grace) end
-- 16 of them, and not always the same: some may have nothing that I can take, a newer format or a key of another type.
local last = now < grace and 1 or now
local function over_from(first, count)
  return redis.call('ZRANGEBYSCORE', KEYS[1], 0, last, 'LIMIT', first, count)
end
local all, over = over_from(0, 256), {}
for i = 1, math.min(#all, 16) do over[i] = all[(now + i) % #all + 1] end
if #all == 256 then -- those that are being taken over come first: as many that cannot be must not hide the others
  local most = 256
  while most < 65536 and #over_from(most, 1) > 0 do most = most * 2 end
  over = over_from(math.max(0, now % (most + 15) - 15), 16)
end
local named = {}
for _, id in ipairs(over) do
  if #id <= 128 then named[#named + 1] = id end -- a longer one is not torrap's, and the reply has a limit
end
local living = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now + 1, '+inf', 'LIMIT', 0, 256)) do
  if string.sub(id, 1, 7) ~= 'parcel:' then living = living + 1 end
end
return {now, 'ok', named, living, redis.call('HLEN', KEYS[4]), relied}
