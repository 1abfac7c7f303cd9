#!lua
-- Puts jobs into a replica's hash, but those that another replica has.
-- KEYS: replicas, my jobs. ARGV: me, how many jobs come first that others may have, then job, value, job, value, ...
-- Gives: 1 and which jobs others have, counted from 1; or 0: I have no lease, and nothing was put.
-- It has no flag `allow-oom`: with `maxmemory` reached it fails before its first write.
local lease = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if lease <= 1 then return {0, {}} end -- fenced, or unknown: renew says which

local asked = tonumber(ARGV[2])
local names, found, duplicates = {}, {}, {}
for i = 1, asked do names[i] = ARGV[1 + 2 * i] end
if asked > 0 then
  local prefix = string.sub(KEYS[2], 1, #KEYS[2] - #ARGV[1])
  for _, other in ipairs(redis.call('ZRANGE', KEYS[1], 0, 255)) do
    if other ~= ARGV[1] then
      for first = 1, asked, 4000 do
        local last = math.min(first + 3999, asked)
        local values = redis.call('HMGET', prefix .. other, unpack(names, first, last))
        for at = 1, last - first + 1 do
          local value, n = values[at], first + at - 1
          if value and #value >= 20 and not found[n] then
            found[n] = true
            duplicates[#duplicates + 1] = n
            -- Its replica may have answered "busy", since its own put had no answer, and is about to withdraw the job. It is
            -- acknowledged here, so the mark says that it has to be posted nevertheless.
            if math.floor(string.byte(value, 1) / 16) == 1 and string.byte(value, 20) % 2 == 0 then
              local mark = string.char(string.byte(value, 20) + 1)
              redis.call('HSET', prefix .. other, names[n], string.sub(value, 1, 19) .. mark .. string.sub(value, 21))
            end
          end
        end
      end
    end
  end
end

local put = {}
for i = 3, #ARGV, 2 do
  if not found[(i - 1) / 2] then put[#put + 1] = ARGV[i]; put[#put + 1] = ARGV[i + 1] end
end
for i = 1, #put, 4000 do redis.call('HSET', KEYS[2], unpack(put, i, math.min(i + 3999, #put))) end
return {1, duplicates}
