--@include server.lua
--
-- The lease in Redis: one record (a hash) for each host that may serve at a time.
--
--   state                    free; held; or grace, when this server's data may be out of date, because the record was
--                            written by another run of the server (it was restarted, or was a replica). Only time ends
--                            the grace.
--   holder, host             the instance and the host name of the current or last holder
--   place                    identifies the holder's PID lock
--   since, ttl               when the holder was granted the lease, and how long that lasts without a renewal (ms)
--   token                    rises with each grant
--   seq                      rises with each change of the record
--   epoch                    the server's run id at the last change
--
-- Times in records are for display only, with one exception: tokens begin at the server's clock, so that they still
-- rise after the server has lost its data.

-- The first host stores the settings that must be the same on all hosts. Returns the first one that differs here, as
-- {key, value in the fleet, value here, host that stored it}, or nil.
local function differingSetting(key, slots, ttl, host)
  local stored = redis.call('HMGET', key, 'lease.slots', 'lease.ttlMs')
  if stored[1] == slots and stored[2] == ttl then return end
  if not (stored[1] and stored[2]) then
    redis.call('HSET', key, 'lease.slots', slots, 'lease.ttlMs', ttl, 'host', host)
    return
  end
  local by = redis.call('HGET', key, 'host') or ''
  if stored[1] ~= slots then return {'lease.slots', stored[1], slots, by} end
  return {'lease.ttlMs', stored[2], ttl, by}
end
