#!lua
-- Puts jobs into a replica's hash, but those that the fleet has already.
-- KEYS: replicas, my jobs. ARGV: me, how many jobs come first that others may have, then job, value, job, value, ...
-- A job with an empty value is looked for, and not put.
-- Gives: 1 and which jobs are there already, counted from 1; or 0: I have no lease, and nothing was put.
-- It has no flag `allow-oom`: with `maxmemory` reached it fails before its first write.
local lease = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if lease <= 1 then return {0, {}} end -- fenced, or unknown: renew says which

-- A mark says that an acknowledgement stands behind a job besides that of its own replica, which may have answered "busy"
-- since its put had no answer, and is about to withdraw the job: it has to be posted nevertheless.
local function is_markable(value) return math.floor(string.byte(value, 1) / 16) == 1 end
local function is_marked(value) return is_markable(value) and string.byte(value, 20) % 2 == 1 end

local asked = tonumber(ARGV[2])
local names, found, duplicates = {}, {}, {}
for i = 1, asked do names[i] = ARGV[1 + 2 * i] end
local function look(id, hash, first, last)
  local values
  if id == ARGV[1] then
    values = redis.call('HMGET', hash, unpack(names, first, last))
  else -- a key of another one that is no hash has no copy, and is no reason to refuse jobs
    values = redis.pcall('HMGET', hash, unpack(names, first, last))
  end
  for n = first, last do
    local value = values[n - first + 1]
    -- One of my own without a mark is of this very put, whose answer was lost.
    if value and #value >= 20 and not found[n] and (id ~= ARGV[1] or is_marked(value)) then
      found[n] = true
      duplicates[#duplicates + 1] = n
      if is_markable(value) and not is_marked(value) then
        local marks = string.char(string.byte(value, 20) + 1)
        redis.call('HSET', hash, names[n], string.sub(value, 1, 19) .. marks .. string.sub(value, 21))
      end
    end
  end
end
if asked > 0 then
  local prefix = string.sub(KEYS[2], 1, #KEYS[2] - #ARGV[1])
  -- The living have the highest scores.
  for _, id in ipairs(redis.call('ZRANGE', KEYS[1], -256, -1)) do
    for first = 1, asked, 4000 do look(id, prefix .. id, first, math.min(first + 3999, asked)) end
  end
end

local put = {}
for i = 3, #ARGV, 2 do
  if not found[(i - 1) / 2] and ARGV[i + 1] ~= '' then put[#put + 1] = ARGV[i]; put[#put + 1] = ARGV[i + 1] end
end
for i = 1, #put, 4000 do redis.call('HSET', KEYS[2], unpack(put, i, math.min(i + 3999, #put))) end
return {1, duplicates}
