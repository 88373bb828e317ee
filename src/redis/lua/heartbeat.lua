--@include fleet.lua
--
-- Records a host's heartbeat and state.
--
-- KEYS  as in fleet.lua
-- ARGV  as in fleet.lua, then 4 host, 5 instance, 6 1 if it has registered before, 7 1 if it has been up, 8 1 if it is
--       up, 9 state, 10 maxDown, 11 purpose of its permit ('waiting' while it waits for one, '' without), 12 facts
--       (JSON)
-- Returns {'registered', number of other hosts, facts of another instance that took over the entry, or ''}; or
--         {'differs', maxDown in the fleet, maxDown here, host that stored it}

local host, instance, again, hasBeenUp, up, state, maxDown, permit, facts = unpack(ARGV, 4)
redis.call('HSETNX', settings, 'fleet.maxDown', maxDown)
redis.call('HSETNX', settings, 'host', host)
local stored = redis.call('HMGET', settings, 'fleet.maxDown', 'host')
if stored[1] ~= maxDown then return {'differs', stored[1], maxDown, stored[2]} end

tick()
local entry, rival = read(host), ''
if not entry then
  -- It was here before: the entries of other hosts may be lost, too.
  if again == '1' then startRecovery() end
  entry = {instance = instance, beat = clock, seen = now}
end
local wasDown = isDown(entry)
if entry.instance ~= instance then
  if again == '1' then rival = entry.facts end
end
if permit == '' then entry.granted, entry.ticket, entry.asked = nil, nil, nil
elseif permit ~= 'waiting' then entry.granted = permit end
entry.instance, entry.facts, entry.state, entry.up = instance, facts, state, up == '1'
entry.counted = entry.counted or hasBeenUp == '1'
entry.seen, entry.beat, entry.stopped = now, clock, nil
write(host, entry)
if wasDown and not isDown(entry) then publish() end
return {'registered', #otherHosts(host), rival}
