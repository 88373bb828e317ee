--@include refused-builds.lua
--
-- Finds out whether another host has refused a build.
--
-- KEYS  1 builds
-- ARGV  1 build, 2 host
-- Returns the record of the host that has, or ''

local build, host = unpack(ARGV)
local by = refuserOf(build)
if not by or by == host then return '' end
return redis.call('HGET', builds, build)
