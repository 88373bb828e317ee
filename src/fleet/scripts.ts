import { askServer } from '../redis/lua.ts'
import { script } from '../redis/script.ts'

/** How often a host sends a heartbeat, in milliseconds. */
export const heartbeatMs = 1_000
/**
 * A host that stays silent for longer is considered dead, and one that stops asking for a permit loses its place;
 * milliseconds.
 */
export const deadAfterMs = 5 * heartbeatMs
/** How long hosts have to register again after the server has lost its data, in milliseconds. */
const settleMs = 3 * heartbeatMs
/**
 * The fleet's clock advances by at most this much at a time, in milliseconds: hosts are heard from more often than
 * that.
 */
const longestTickMs = 2 * heartbeatMs

/**
 * The fleet in the server: one hash with an entry for each host, as JSON.
 *
 * - `instance`, `facts`: the host's identity, and what it reports about itself
 * - `state`, `up`: its stage of life, and whether it serves or could serve at once
 * - `counted`: it has been up, so the fleet lacks it when it is not
 * - `seen`, `beat`: when it was last heard from, by the server's clock and by the fleet's
 * - `ticket`, `asked`: its place in line for a permit, and when it last asked; `granted`: what its permit is for
 * - `stopped`: when, by the fleet's clock, it is considered decommissioned unless it comes back
 *
 * The fleet's clock is the server's without its jumps: it advances from call to call, by at most two heartbeats. So a
 * jump forwards expires nothing early, and a jump backwards makes no dead host look alive.
 *
 * A host is down when it is counted and is not up, is dead, has stopped, or holds a permit. Time alone ends that only
 * for a host that stopped in good order.
 */
const prelude = `${askServer}
local hosts, settings, book = KEYS[1], KEYS[2], KEYS[3]
local now, clock = nowMs(), 0
-- Whatever this server has lost, its hosts are to tell it again first.
local function settle()
  redis.call('HSET', book, 'settled', whole(clock + ${settleMs}))
end
local function open()
  local kept = redis.call('HMGET', book, 'clock', 'now', 'epoch')
  local sinceMs = now - (kept[2] and count(book, 'now', kept[2]) or now)
  clock = count(book, 'clock', kept[1]) + math.max(0, math.min(sinceMs, ${longestTickMs}))
  local server = epoch()
  redis.call('HSET', book, 'clock', whole(clock), 'now', whole(now), 'epoch', server)
  if kept[3] and kept[3] ~= server then settle() end
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
  return entry.counted and (not entry.up or entry.granted or silentMs(entry) > ${deadAfterMs})
end
-- How a host that is down is, for people.
local function condition(entry)
  if entry.stopped then return 'stopped' end
  if silentMs(entry) > ${deadAfterMs} then return 'dead' end
  return entry.up and entry.granted or entry.state
end
-- All entries but those of hosts that have stopped and not come back.
local function others(but)
  local all, found = redis.call('HGETALL', hosts), {}
  for at = 1, #all, 2 do
    local entry = decode(all[at], all[at + 1])
    if entry.stopped and clock >= entry.stopped then redis.call('HDEL', hosts, all[at])
    elseif all[at] ~= but then found[#found + 1] = {all[at], entry} end
  end
  return found
end
local function publish(channel)
  redis.call('PUBLISH', channel, 'fleet')
end
-- Once the last host has left, the next ones may have other settings.
local function closeWhenEmpty()
  for _, other in ipairs(others('')) do
    if not other[2].stopped then return end
  end
  redis.call('DEL', hosts, settings, book)
end
`

/**
 * Records a host's heartbeat and state.
 *
 * KEYS: hosts, settings, book. ARGV: channel, host, instance, 1 if it has registered before, 1 if it has been up, 1
 * if it is up, state, maxDown, purpose of its permit ('waiting' while it waits for one, '' without), facts (JSON).
 * Returns `{'registered', number of other hosts, facts of another instance that took over the entry, or ''}` or
 * `{'differs', theirs, ours, host that set it}`.
 */
export const beatScript = script(`${prelude}
local channel, host, instance, again, hasBeenUp, up, state, maxDown, permit, facts = unpack(ARGV)
redis.call('HSETNX', settings, 'fleet.maxDown', maxDown)
redis.call('HSETNX', settings, 'host', host)
local set = redis.call('HMGET', settings, 'fleet.maxDown', 'host')
if set[1] ~= maxDown then return {'differs', set[1], maxDown, set[2]} end
open()
local entry, rival = read(host), ''
if not entry then
  -- It was here before: what else was here is lost, too.
  if again == '1' then settle() end
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
if wasDown and not isDown(entry) then publish(channel) end
return {'registered', #others(host), rival}
`)

/**
 * Asks for a permit to go down: granted to the first in line while fewer than maxDown hosts are down. Must be called
 * repeatedly: a host that stops asking loses its place.
 *
 * KEYS: hosts, settings, book. ARGV: channel, host, instance, ticket (0 at first), purpose, 1 if the host has never
 * seen another one, maxDown.
 * Returns `{'granted', ticket}`, `{'waiting', ticket, place in line, 1 while hosts register again, {host, state, ...}
 * of the hosts that are down}`, or `{'unknown'}` when the host must register first.
 */
export const askScript = script(`${prelude}
local channel, host, instance, ticket, purpose, isAlone, maxDown = unpack(ARGV)
open()
local entry = read(host)
if not entry or entry.instance ~= instance or entry.stopped then return {'unknown'} end
if entry.granted then return {'granted', ticket} end
ticket = tonumber(ticket)
local tickets = count(book, 'ticket', redis.call('HGET', book, 'ticket'))
if ticket == 0 then
  tickets = nextOf(book, 'ticket', tickets)
  ticket = redis.call('HINCRBY', book, 'ticket', 1)
end
-- A server that has lost its data must not give the same one again.
if ticket > tickets then
  redis.call('HSET', book, 'ticket', whole(ticket))
end
entry.ticket, entry.asked = ticket, clock
local place, down, downs = 1, {}, 0
local rest = others(host)
for _, other in ipairs(rest) do
  local name, record = other[1], other[2]
  local waits = record.ticket and not record.granted and clock - record.asked <= ${deadAfterMs}
  if waits and record.ticket < ticket then place = place + 1 end
  if isDown(record) then
    downs = downs + 1
    down[#down + 1] = name
    down[#down + 1] = condition(record)
  end
end
local isSettling = clock < count(book, 'settled', redis.call('HGET', book, 'settled'))
if isAlone == '1' and #rest == 0 then isSettling = false end
local most = tonumber(redis.call('HGET', settings, 'fleet.maxDown') or maxDown)
local isGranted = place == 1 and downs < most and not isSettling
if isGranted then entry.granted = purpose end
write(host, entry)
if isGranted then
  publish(channel)
  return {'granted', whole(ticket)}
end
return {'waiting', whole(ticket), place, isSettling and 1 or 0, down}
`)

/**
 * Records that a host has stopped in good order. If it was ever up, it counts as down until it comes back or its time
 * for that has passed; with 'ever', for a host that could not start, until it comes back.
 *
 * KEYS: hosts, settings, book. ARGV: channel, host, instance, how long it may take to come back (ms), or 'ever'.
 */
export const leaveScript = script(`${prelude}
local channel, host, instance, returnMs = unpack(ARGV)
open()
local entry = read(host)
if not entry or entry.instance ~= instance then return 0 end
if not entry.counted then redis.call('HDEL', hosts, host)
elseif returnMs ~= 'ever' then
  entry.granted, entry.ticket, entry.asked = nil, nil, nil
  entry.state, entry.up, entry.seen, entry.stopped = 'stopped', false, now, clock + tonumber(returnMs)
  write(host, entry)
end
closeWhenEmpty()
publish(channel)
return 1
`)

/**
 * Removes a host for good.
 *
 * KEYS: hosts, settings, book. ARGV: channel, host, 1 to remove it even if it is alive.
 * Returns `{'forgotten'}`, `{'alive', state}` or `{'unknown', the registered hosts}`.
 */
export const forgetScript = script(`${prelude}
local channel, host, force = unpack(ARGV)
if redis.call('HEXISTS', hosts, host) == 0 then return {'unknown', redis.call('HKEYS', hosts)} end
-- An entry that nobody can read is nobody's, and this is how somebody gets rid of it.
local isSound, entry = pcall(read, host)
local isAlive = isSound and not entry.stopped and now - entry.seen <= ${deadAfterMs}
if isAlive and force ~= '1' then return {'alive', entry.state} end
open()
redis.call('HDEL', hosts, host)
closeWhenEmpty()
publish(channel)
return {'forgotten'}
`)

/**
 * Returns everything known about the fleet.
 *
 * KEYS: hosts, settings, book, builds. Returns the server's time (ms), maxDown, the hosts and the builds as `{name,
 * JSON}`.
 */
export const viewScript = script(`${prelude}
return {whole(now), redis.call('HGET', settings, 'fleet.maxDown') or '', redis.call('HGETALL', hosts),
  redis.call('HGETALL', KEYS[4])}
`)
