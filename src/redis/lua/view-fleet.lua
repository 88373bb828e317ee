--@include server.lua
--
-- Returns everything that is known about the fleet.
--
-- KEYS  1 hosts, 2 settings, 3 builds
-- Returns {the server's time (ms), maxDown or '', {host, entry (JSON), …}, {build, record (JSON), …}}

local hosts, settings, builds = unpack(KEYS)
return {whole(nowMs()), redis.call('HGET', settings, 'fleet.maxDown') or '', redis.call('HGETALL', hosts),
  redis.call('HGETALL', builds)}
