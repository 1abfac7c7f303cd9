#!lua flags=no-writes
-- Lists a part of the jobs of a replica: names and the heads of their values.
-- KEYS: my jobs. ARGV: cursor, how many
-- Gives: cursor, then name, head, name, head, ... A head is empty if the value is, or if the value or its name is too long for
-- any of torrap's: a name that is too long is cut.
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local out = {}
for i = 1, #page[2], 2 do
  local id, value = page[2][i], page[2][i + 1]
  out[i] = string.sub(id, 1, 256) -- a reply has a limit
  out[i + 1] = #id <= 256 and #value <= 524288 and string.sub(value, 1, 20) or ''
end
return {page[1], out}
