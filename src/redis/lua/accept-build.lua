--@include refused-builds.lua
--
-- Withdraws a host's refusal of a build, which has become ready there after all.
--
-- KEYS  1 builds
-- ARGV  1 build, 2 host

local build, host = unpack(ARGV)
if refuserOf(build) ~= host then return 0 end
return redis.call('HDEL', builds, build)
