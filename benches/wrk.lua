-- Loads torrap with signed slash commands, each connection with a thousand different ones.
--
--   export SLACK_SIGNING_SECRET=8f742231b10e8888abcd99yyyzzz85a5
--   LOG_LEVEL=error torrap --delay 1500 --drain 0 --reply-origin http://127.0.0.1:9 \
--       --max-pending 10000000 --tolerance 300 --allow-replays &
--   curl -sSf -o /dev/null --retry 9 --retry-connrefused http://127.0.0.1:8000/healthz
--   wrk -t1 -c64 -d10s --latency -s benches/wrk.lua http://127.0.0.1:8000
--   kill %1
--
-- The long delay keeps replies from falling due during the run, and the reply origin is a port where
-- no server listens: never let a load run reply to Slack. `--drain 0` has torrap stop without them, with exit
-- code 1 for what it leaves. Each request is sent many times, which `--allow-replays` has torrap carry out. Requests are signed when wrk starts, so a run must be shorter than the
-- tolerance. SLACK_RESPONSE_URL sets another response_url.
--
-- Only an empty 200 is an acknowledgement: "I am busy" is a 200 too, with content. If there was any other answer,
-- the last line says so and wrk exits with 1.
--
-- wrk is one thread that costs about as much as torrap does: on two cores it may be what is slower.
-- `benches/peers/run` measures CPU time per command, which does not depend on that.

local bit = require("bit")
local band, bnot, bxor = bit.band, bit.bnot, bit.bxor
local ror, rshift, tobit = bit.ror, bit.rshift, bit.tobit

local SECRET = os.getenv("SLACK_SIGNING_SECRET") or ""
local RESPONSE_URL = os.getenv("SLACK_RESPONSE_URL") or "http://127.0.0.1:9/commands/T1/2/wrk"
local DISTINCT = 1000
local BLOCK = 64

-- The fractional parts of roots of the first primes, as FIPS 180-4 has them (sections 4.2.2, 5.3.3).
local function fraction(x) return tobit(math.floor((x % 1) * 2 ^ 32)) end

local K, INITIAL = {}, {}
do
  local candidate = 2
  while #K < 64 do
    local prime = true
    for divisor = 2, math.floor(math.sqrt(candidate)) do
      if candidate % divisor == 0 then prime = false break end
    end
    if prime then
      if #INITIAL < 8 then INITIAL[#INITIAL + 1] = fraction(candidate ^ (1 / 2)) end
      K[#K + 1] = fraction(candidate ^ (1 / 3))
    end
    candidate = candidate + 1
  end
end

local function compress(state, message, offset, w)
  for i = 1, 16 do
    local a, b, c, d = message:byte(offset + i * 4 - 3, offset + i * 4)
    w[i] = tobit(a * 2 ^ 24 + b * 2 ^ 16 + c * 2 ^ 8 + d)
  end
  for i = 17, 64 do
    local x, y = w[i - 15], w[i - 2]
    local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
    local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
    w[i] = tobit(w[i - 16] + s0 + w[i - 7] + s1)
  end
  local a, b, c, d, e, f, g, h = unpack(state)
  for i = 1, 64 do
    local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
    local t1 = tobit(h + s1 + bxor(band(e, f), band(bnot(e), g)) + K[i] + w[i])
    local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
    local t2 = tobit(s0 + bxor(band(a, b), band(a, c), band(b, c)))
    h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
  end
  for i, word in ipairs({ a, b, c, d, e, f, g, h }) do state[i] = tobit(state[i] + word) end
end

local function digest(message)
  local bits = #message * 8
  local length = string.char(0, 0, 0, 0, rshift(bits, 24), band(rshift(bits, 16), 255),
    band(rshift(bits, 8), 255), band(bits, 255))
  message = message .. "\128" .. ("\0"):rep((55 - #message) % BLOCK) .. length
  local state, w = { unpack(INITIAL) }, {}
  for offset = 0, #message - BLOCK, BLOCK do compress(state, message, offset, w) end
  return state
end

local function bytes(state)
  local out = {}
  for i, word in ipairs(state) do
    out[i] = string.char(band(rshift(word, 24), 255), band(rshift(word, 16), 255),
      band(rshift(word, 8), 255), band(word, 255))
  end
  return table.concat(out)
end

local function hmac(key, message)
  if #key > BLOCK then key = bytes(digest(key)) end
  key = key .. ("\0"):rep(BLOCK - #key)
  local function pad(with)
    return (key:gsub(".", function(c) return string.char(bxor(c:byte(), with)) end))
  end
  local inner = bytes(digest(pad(0x36) .. message))
  return (bytes(digest(pad(0x5c) .. inner)):gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

local function encode(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function signed(number)
  local timestamp = tostring(os.time())
  local body = "token=gIkuvaNzQIHg97ATvDxqgjtO&team_id=T0001&team_domain=example"
    .. "&channel_id=C2147483705&channel_name=test&user_id=U2147483697&user_name=roadrunner"
    .. "&command=%2Ftorrap&text=sdrawkcab+si+siht+" .. number
    .. "&api_app_id=A123456&is_enterprise_install=false&response_url=" .. encode(RESPONSE_URL)
    .. "&trigger_id=13345224609.738474920.8088930838d88f008e0"
  return wrk.format("POST", "/slack", {
    ["Host"] = wrk.headers["Host"],
    ["Content-Type"] = "application/x-www-form-urlencoded",
    ["X-Slack-Request-Timestamp"] = timestamp,
    ["X-Slack-Signature"] = "v0=" .. hmac(SECRET, "v0:" .. timestamp .. ":" .. body),
  }, body)
end

local requests, cursor = {}, 0

function init()
  assert(SECRET ~= "", "SLACK_SIGNING_SECRET must be what torrap has")
  -- A known value guards the arithmetic above.
  assert(hmac("key", "The quick brown fox jumps over the lazy dog")
    == "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8", "SHA-256 is wrong")
  for number = 1, DISTINCT do requests[number] = signed(number) end
end

function request()
  cursor = cursor % DISTINCT + 1
  return requests[cursor]
end

-- Each thread has these for itself; `done` adds them up.
acknowledged, others, other = 0, 0, ""

function response(status, _, body)
  if status == 200 and #body == 0 then
    acknowledged = acknowledged + 1
  else
    if others == 0 then other = status .. " " .. body:sub(1, 100) end
    others = others + 1
  end
end

local threads = {}

function setup(thread) threads[#threads + 1] = thread end

function done(summary)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  local acknowledged, others, other = 0, 0, ""
  for _, thread in ipairs(threads) do
    acknowledged = acknowledged + thread:get("acknowledged")
    others = others + thread:get("others")
    if other == "" then other = thread:get("other") end
  end
  local good = others + lost == 0 and acknowledged > 0
  print(("%d commands acknowledged in %.1f s, %.0f a second: %s"):format(
    acknowledged, summary.duration / 1e6, acknowledged / summary.duration * 1e6,
    good and "nothing else was answered"
      or ("%d OTHER ANSWERS, %d LOST; the first other: %s"):format(others, lost, other)))
  if not good then os.exit(1) end
end
