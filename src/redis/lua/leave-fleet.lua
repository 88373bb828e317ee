--@include fleet.lua
--
-- Records that a host has stopped in good order. If it was ever up, it counts as down until it comes back or its time
-- for that has passed; with 'ever', for a host that could not start, until it comes back.
--
-- KEYS  as in fleet.lua
-- ARGV  as in fleet.lua, then 4 host, 5 instance, 6 how long it may take to come back (ms), or 'ever'
-- Returns 1, or 0 when the entry is not the host's

local host, instance, returnMs = unpack(ARGV, 4)
tick()
local entry = read(host)
if not entry or entry.instance ~= instance then return 0 end
if not entry.counted then redis.call('HDEL', hosts, host)
elseif returnMs ~= 'ever' then
  entry.granted, entry.ticket, entry.asked = nil, nil, nil
  entry.state, entry.up, entry.seen, entry.stopped = 'stopped', false, now, clock + tonumber(returnMs)
  write(host, entry)
end
deleteWhenEmpty()
publish()
return 1
