#!lua flags=no-writes
-- Lists a part of the jobs of a replica: names and the heads of their values.
-- KEYS: my jobs. ARGV: cursor, how many
-- Gives: cursor, then name, head, name, head, ...
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local out = {}
for i = 1, #page[2], 2 do
  out[i] = page[2][i]
  out[i + 1] = string.sub(page[2][i + 1], 1, 20)
end
return {page[1], out}
