--@include fleet.lua
--
-- Removes a host for good.
--
-- KEYS  as in fleet.lua
-- ARGV  as in fleet.lua, then 4 host, 5 1 to remove it even if it is alive
-- Returns {'forgotten'}, {'alive', state} or {'unknown', the registered hosts}

local host, force = unpack(ARGV, 4)
if not redis.call('HGET', hosts, host) then return {'unknown', redis.call('HKEYS', hosts)} end
-- This is how an operator gets rid of a corrupt entry.
local isSound, entry = pcall(read, host)
local isAlive = isSound and not entry.stopped and now - entry.seen <= deadAfterMs
if isAlive and force ~= '1' then return {'alive', entry.state} end
tick()
redis.call('HDEL', hosts, host)
deleteWhenEmpty()
publish()
return {'forgotten'}
