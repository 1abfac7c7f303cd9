#!lua flags=allow-oom
-- Moves a part of the jobs of a replica whose lease is over into the hash of another one.
-- KEYS: replicas, fleet, dead, my jobs, their jobs, aside. ARGV: me, them, how many, take-overs at most, cursor
-- Gives: 1, time, cursor, jobs left there, expired ones, ones from too many dead replicas, unreadable ones, ones of a newer
-- format, and the names of those that are mine now;
-- or 0 and time: I have no lease, or they still have theirs.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local mine = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
local theirs = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[2]) or -1)
local grace = tonumber(redis.call('HGET', KEYS[2], 'grace') or 0) or 0
if mine <= now or theirs < 0 or theirs > now or (theirs > 1 and now < grace) or ARGV[1] == ARGV[2] then return {0, now} end
if theirs > 1 then redis.call('ZADD', KEYS[1], 0, ARGV[2]) end -- from here on they are fenced

-- To have left, or to have been passed on, is no sign that a job kills its replica.
local died = (theirs == 1 or string.sub(ARGV[2], 1, 7) == 'parcel:') and 0 or 1
local want, limit, seen, cursor = tonumber(ARGV[3]), tonumber(ARGV[4]), 0, ARGV[5]
local expired, poison, unreadable, newer, out = 0, 0, 0, 0, {}
local function put_aside(id, value)
  if #value > 524288 then value = string.sub(value, 1, 1024) end -- not torrap's: its beginning is enough to look at
  local name = ARGV[2] .. ':' .. string.sub(id, 1, 64)
  if redis.call('HLEN', KEYS[6]) < 1000 then redis.call('HSET', KEYS[6], name, value) end
end
repeat
  local page, gone, kept = redis.call('HSCAN', KEYS[5], cursor, 'COUNT', want), {}, {}
  cursor = page[1]
  for i = 1, #page[2], 2 do
    local id, value = page[2][i], page[2][i + 1]
    local format = #value > 0 and math.floor(string.byte(value, 1) / 16) or 0
    -- The expiry stands there in every format. None is further away than half an hour, unless the clock was set back: what
    -- no replica can open, and what no newer one comes for, must have an end.
    local expiry = #value >= 10 and struct.unpack('>I8', value, 3) or 0
    local is_whole = #value >= 52 and #value <= 524288 and (#id == 8 or #id == 16)
    local is_gone = true
    if format < 1 or #value < 10 or expiry > now + 3600000 or (format == 1 and not is_whole) then
      unreadable = unreadable + 1
      put_aside(id, value)
    elseif expiry <= now then
      expired = expired + 1
    elseif format > 1 then
      newer, is_gone = newer + 1, false -- a newer replica will take it
    elseif string.byte(value, 2) >= limit then
      poison = poison + 1
      put_aside(id, value)
    else
      -- Mine may be newer: a failover can forget a take-over.
      local mine = redis.call('HGET', KEYS[4], id)
      local stays = mine or value
      if not mine then
        stays = string.sub(value, 1, 1) .. string.char(string.byte(value, 2) + died) .. string.sub(value, 3)
        out[#out + 1] = id
      end
      -- The mark of `put`: a copy that I have answered "busy" must not withdraw it.
      if #stays >= 20 and math.floor(string.byte(stays, 1) / 16) == 1 and string.byte(stays, 20) % 2 == 0 then
        stays = string.sub(stays, 1, 19) .. string.char(string.byte(stays, 20) + 1) .. string.sub(stays, 21)
      end
      if stays ~= mine then kept[#kept + 1] = id; kept[#kept + 1] = stays end
    end
    if is_gone then gone[#gone + 1] = id end
    seen = seen + 1
  end
  for i = 1, #kept, 4000 do redis.call('HSET', KEYS[4], unpack(kept, i, math.min(i + 3999, #kept))) end
  for i = 1, #gone, 4000 do redis.call('HDEL', KEYS[5], unpack(gone, i, math.min(i + 3999, #gone))) end
until cursor == '0' or seen >= want
local left = redis.call('HLEN', KEYS[5])
if left == 0 then
  redis.call('ZREM', KEYS[1], ARGV[2])
  redis.call('ZADD', KEYS[3], now, ARGV[2])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - 7200000)
end
return {1, now, cursor, left, expired, poison, unreadable, newer, out}
