-- Clears a refused build, or all of them, for an operator.
--
-- KEYS  1 builds
-- ARGV  1 build, or '*' for all
-- Returns {number cleared, the builds that were refused}

local builds, build = KEYS[1], ARGV[1]
local all = redis.call('HKEYS', builds)
if build == '*' then
  redis.call('DEL', builds)
  return {#all, all}
end
return {redis.call('HDEL', builds, build), all}
