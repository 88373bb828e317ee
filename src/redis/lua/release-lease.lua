-- Releases a grant, so that another host can acquire the record at once if this very server wrote it: the epoch stays
-- as it was. A release is repeated when its answer was lost, and by then a server that this one has replaced may have
-- granted the lease to another host. In that case the other hosts see the epoch of another server, and wait.
--
-- KEYS  1 the record
-- ARGV  1 instance, 2 token, 3 channel
-- Returns 1, or 0 when there was nothing to release

local instance, token, channel = unpack(ARGV)
local record = redis.call('HMGET', KEYS[1], 'holder', 'token', 'state')
local isMine = record[1] == instance and record[2] == token
if not isMine or record[3] ~= 'held' then return 0 end
redis.call('HSET', KEYS[1], 'state', 'free')
redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('PUBLISH', channel, 'free')
return 1
