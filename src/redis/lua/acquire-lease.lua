--@include lease.lua
--
-- Acquires a record of the lease if one is available: a free one; one whose last holder had the caller's PID lock, and
-- is therefore dead or the caller itself; or one that the caller has seen unchanged for long enough. Grants one at
-- most. Fields that decide nothing are read only when no record is available.
--
-- KEYS  each record; the settings
-- ARGV  1 instance, 2 host, 3 place, 4 ttl (ms), 5 the highest token that the caller has seen, 6 number of slots,
--       7… for each record, its state (epoch/seq) that the caller has seen for long enough, or ''
-- Returns {'granted', slot, token, since, seq};
--         {'unavailable', {state, host, token, seq, epoch, ttl, since, holder} of each record}; or
--         {'differs', key, value in the fleet, value here, host that stored it}

local instance, host, place, ttl, highestToken, slots = unpack(ARGV, 1, 6)
local difference = differingSetting(KEYS[#KEYS], slots, ttl, host)
if difference then return {'differs', unpack(difference)} end

local server, now = epoch(), nowMs()
local free, expired = nil, nil
for slot = 1, #KEYS - 1 do
  local key = KEYS[slot]
  local record = redis.call('HMGET', key, 'state', 'epoch', 'seq', 'place', 'token', 'ttl')
  local state, changes = record[1], count(key, 'seq', record[3])
  nextOf(key, 'seq', changes)
  nextOf(key, 'token', count(key, 'token', record[5]))
  local lasts, seq = count(key, 'ttl', record[6]), whole(changes)
  if record[2] ~= server then
    -- The new number comes from the clock, far ahead of any count. If all data was lost, no state looks like an earlier
    -- one; if some was lost, a holder that goes on counting gets another result than it expects.
    seq = whole(math.max(changes + 1, now))
    state = 'grace'
    redis.call('HSET', key, 'state', state, 'epoch', server, 'seq', seq,
      'ttl', whole(math.max(lasts, ttl)))
  end
  if state == 'held' and record[4] == place then
    free = slot
    break
  elseif state == 'free' then
    free = free or slot
  elseif ARGV[6 + slot] == server .. '/' .. seq then
    expired = expired or slot
  end
end

local slot = free or expired
if not slot then
  local records = {}
  for at = 1, #KEYS - 1 do
    records[at] = redis.call('HMGET', KEYS[at], 'state', 'host', 'token', 'seq', 'epoch', 'ttl', 'since', 'holder')
  end
  return {'unavailable', unpack(records)}
end

local key, since = KEYS[slot], whole(now)
local last = math.max(count(key, 'token', redis.call('HGET', key, 'token')), count(key, 'token', highestToken), now)
local token = whole(nextOf(key, 'token', last))
redis.call('HSET', key, 'state', 'held', 'holder', instance, 'host', host, 'place', place, 'token', token,
  'ttl', ttl, 'since', since)
return {'granted', slot, token, since, redis.call('HINCRBY', key, 'seq', 1)}
