--@include server.lua
--
-- Builds that failed to become ready: a hash with a record for each, by digest, as JSON {host, reason, at}; `at` is by
-- the server's clock (ms).
--
-- KEYS  1 builds

local builds = KEYS[1]

-- Returns the host that refuses a build, or nil.
local function refuserOf(build)
  local text = redis.call('HGET', builds, build)
  return text and cjson.decode(text).host
end
