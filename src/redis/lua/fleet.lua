--@include server.lua
--
-- The fleet in Redis: one hash with an entry for each host, as JSON.
--
--   instance, facts     the host's identity, and what it reports about itself
--   state, up           its state, and whether it serves or could serve at once
--   counted             it has been up, so the fleet lacks it when it is not
--   seen, beat          when it was last heard from, by the server's clock and by the fleet's
--   ticket, asked       its place in line for a permit, and when it last asked
--   granted             the purpose of its permit
--   stopped             when, by the fleet's clock, it is considered decommissioned unless it comes back
--
-- The fleet's clock is the server's without its jumps: it advances from call to call, by two heartbeats at most, since
-- hosts are heard from more often than that. So a jump forwards expires nothing early, and a jump backwards makes no
-- dead host look alive. The hash `book` has this clock, the last ticket, and the server's run id.
--
-- A host is down when it is counted and is not up, is dead, has stopped, or holds a permit. Time alone ends that only
-- for a host that stopped in good order.
--
-- KEYS  1 hosts, 2 settings, 3 book
-- ARGV  1 channel, 2 the interval between heartbeats (ms), 3 the silence after which a host counts as dead (ms)

local hosts, settings, book = KEYS[1], KEYS[2], KEYS[3]
local channel, heartbeatMs, deadAfterMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now, clock = nowMs(), 0

-- No permit is granted for three heartbeats: this server may have lost data, and its hosts have to register again.
local function startRecovery()
  redis.call('HSET', book, 'settled', whole(clock + 3 * heartbeatMs))
end

-- Advances the fleet's clock.
local function tick()
  local kept = redis.call('HMGET', book, 'clock', 'now', 'epoch')
  local sinceMs = now - (kept[2] and count(book, 'now', kept[2]) or now)
  clock = count(book, 'clock', kept[1]) + math.max(0, math.min(sinceMs, 2 * heartbeatMs))
  local server = epoch()
  redis.call('HSET', book, 'clock', whole(clock), 'now', whole(now), 'epoch', server)
  if kept[3] and kept[3] ~= server then startRecovery() end
end

local numbers = {'seen', 'beat', 'ticket', 'asked', 'stopped'}

local function decode(host, text)
  local isJson, entry = pcall(cjson.decode, text)
  if not isJson or type(entry) ~= 'table' or not (entry.seen and entry.beat) then corrupt(hosts, host, text) end
  for _, field in ipairs(numbers) do
    local number = entry[field]
    if number and (type(number) ~= 'number' or number ~= math.floor(number) or number < 0 or number > highest) then
      corrupt(hosts, host, field .. ' ' .. tostring(number))
    end
  end
  return entry
end

local function read(host)
  local text = redis.call('HGET', hosts, host)
  return text and decode(host, text)
end

local function write(host, entry)
  redis.call('HSET', hosts, host, cjson.encode(entry))
end

local function silentMs(entry)
  return math.max(now - entry.seen, clock - entry.beat)
end

local function isDown(entry)
  if entry.stopped then return true end
  return entry.counted and (not entry.up or entry.granted or silentMs(entry) > deadAfterMs)
end

-- Describes the state of a host that is down.
local function downState(entry)
  if entry.stopped then return 'stopped' end
  if silentMs(entry) > deadAfterMs then return 'dead' end
  return entry.up and entry.granted or entry.state
end

-- Returns the entries {name, entry} of all hosts but one. Removes those that have stopped and not come back in time.
local function otherHosts(than)
  local all, found = redis.call('HGETALL', hosts), {}
  for at = 1, #all, 2 do
    local entry = decode(all[at], all[at + 1])
    if entry.stopped and clock >= entry.stopped then redis.call('HDEL', hosts, all[at])
    elseif all[at] ~= than then found[#found + 1] = {all[at], entry} end
  end
  return found
end

local function publish()
  redis.call('PUBLISH', channel, 'fleet')
end

-- Once the last host has left, the next ones may have other settings.
local function deleteWhenEmpty()
  for _, other in ipairs(otherHosts('')) do
    if not other[2].stopped then return end
  end
  redis.call('DEL', hosts, settings, book)
end
