--@include refused-builds.lua
--
-- Records that a build failed to become ready. Only the first host's report counts.
--
-- KEYS  1 builds
-- ARGV  1 build, 2 host, 3 reason

local build, host, reason = unpack(ARGV)
local by = refuserOf(build)
if by and by ~= host then return 0 end
return redis.call('HSET', builds, build, cjson.encode({host = host, reason = reason, at = nowMs()}))
