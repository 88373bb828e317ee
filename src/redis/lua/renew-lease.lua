--@include lease.lua
--
-- Renews a grant, and restores its record if the server has lost it. Must be called only by a holder whose own deadline
-- has not passed: that is what makes restoring safe.
--
-- KEYS  1 the record, 2 the settings
-- ARGV  1 instance, 2 host, 3 place, 4 ttl (ms), 5 token, 6 number of slots, 7 since (ms)
-- Returns {'renewed', seq}; or {'lost', host, token, since} of the current holder

local instance, host, place, ttl, token, slots, since = unpack(ARGV)
local record = redis.call('HMGET', KEYS[1], 'state', 'holder', 'token', 'host', 'since', 'seq')
local theirs, mine = count(KEYS[1], 'token', record[3]), tonumber(token)
nextOf(KEYS[1], 'seq', count(KEYS[1], 'seq', record[6]))
local isMine = theirs == mine and record[2] == instance and record[1] ~= 'free'
if not isMine and theirs >= mine then return {'lost', record[4] or '', record[3], record[5] or ''} end
-- Restores the settings, too. A holder renews even if they have been changed.
differingSetting(KEYS[2], slots, ttl, host)
redis.call('HSET', KEYS[1], 'state', 'held', 'holder', instance, 'host', host, 'place', place, 'token', token,
  'epoch', epoch(), 'ttl', ttl, 'since', since)
return {'renewed', redis.call('HINCRBY', KEYS[1], 'seq', 1)}
