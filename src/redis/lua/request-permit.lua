--@include fleet.lua
--
-- Requests a permit to go down: it is granted to the first in line while fewer than maxDown hosts are down. Must be
-- repeated until then: a host that stops asking loses its place.
--
-- KEYS  as in fleet.lua
-- ARGV  as in fleet.lua, then 4 host, 5 instance, 6 ticket (0 at first), 7 purpose, 8 1 if the host has never seen
--       another one, 9 maxDown
-- Returns {'granted', ticket};
--         {'waiting', ticket, place in line, 1 during a recovery, {host, state, …} of the hosts that are down}; or
--         {'unknown'} when the host must register first

local host, instance, ticket, purpose, isAlone, maxDown = unpack(ARGV, 4)
tick()
local entry = read(host)
if not entry or entry.instance ~= instance or entry.stopped then return {'unknown'} end
if entry.granted then return {'granted', ticket} end

ticket = tonumber(ticket)
local tickets = count(book, 'ticket', redis.call('HGET', book, 'ticket'))
if ticket == 0 then
  tickets = nextOf(book, 'ticket', tickets)
  ticket = redis.call('HINCRBY', book, 'ticket', 1)
end
-- A server that has lost its data must not issue the same ticket again.
if ticket > tickets then
  redis.call('HSET', book, 'ticket', whole(ticket))
end
entry.ticket, entry.asked = ticket, clock

local place, down, downs = 1, {}, 0
local others = otherHosts(host)
for _, other in ipairs(others) do
  local name, record = other[1], other[2]
  local waits = record.ticket and not record.granted and clock - record.asked <= deadAfterMs
  if waits and record.ticket < ticket then place = place + 1 end
  if isDown(record) then
    downs = downs + 1
    down[#down + 1] = name
    down[#down + 1] = downState(record)
  end
end

local isRecovering = clock < count(book, 'settled', redis.call('HGET', book, 'settled'))
if isAlone == '1' and #others == 0 then isRecovering = false end
local most = tonumber(redis.call('HGET', settings, 'fleet.maxDown') or maxDown)
local isGranted = place == 1 and downs < most and not isRecovering
if isGranted then entry.granted = purpose end
write(host, entry)
if isGranted then
  publish()
  return {'granted', whole(ticket)}
end
return {'waiting', whole(ticket), place, isRecovering and 1 or 0, down}
