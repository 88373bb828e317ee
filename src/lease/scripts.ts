import { askServer, epoch } from '../redis/lua.ts'
import { script } from '../redis/script.ts'

/**
 * The lease in the server: one record (a hash) for each host that may serve at a time.
 *
 * - `state`: `free`; `held`; `grace`, when what this server says may be out of date, since it is not the server
 *   that the record was written in (it was restarted, or it was a replica). From grace, only time tells.
 * - `holder`, `host`, `place`, `since`, `ttl`: who has or had it, where, since when, and how long it lasts, ms
 * - `token`: rises with each grant; `seq`: rises with each change; `epoch`: the server's run id at the last one
 *
 * Times in records are for people only, with one exception: tokens begin at the server's clock, so that they still
 * rise when the server has lost its data.
 */
const prelude = `${askServer}
local function read(key)
  local values = redis.call('HMGET', key, 'state', 'holder', 'host', 'place', 'token', 'seq', 'epoch', 'ttl',
    'since')
  return {state = values[1] or '', holder = values[2] or '', host = values[3] or '', place = values[4] or '',
    token = tonumber(values[5]) or 0, seq = tonumber(values[6]) or 0, epoch = values[7] or '',
    ttl = tonumber(values[8]) or 0, since = values[9] or ''}
end
local function write(key, record)
  redis.call('HSET', key, 'state', record.state, 'holder', record.holder, 'host', record.host,
    'place', record.place, 'token', whole(record.token), 'seq', whole(record.seq), 'epoch', record.epoch,
    'ttl', whole(record.ttl), 'since', record.since)
end
-- What all hosts must have configured alike; the first host says what. Returns what differs.
local function disagree(key, slots, ttl, host)
  local set = redis.call('HMGET', key, 'lease.slots', 'lease.ttlMs', 'host')
  if not (set[1] and set[2]) then
    redis.call('HSET', key, 'lease.slots', slots, 'lease.ttlMs', ttl, 'host', host)
    return
  end
  if set[1] ~= slots then return {'lease.slots', set[1], slots, set[3] or ''} end
  if set[2] ~= ttl then return {'lease.ttlMs', set[2], ttl, set[3] or ''} end
end
`

/**
 * Looks at all records, and takes one that can be had: one that is free; one whose last holder was in the very
 * place where the caller is, and is therefore dead or the caller; one that the caller has seen unchanged for long
 * enough. Grants one at most.
 *
 * KEYS: the records, the settings. ARGV: instance, host, place, ttl (ms), highest token seen, slots, and for each
 * record the state (as `seen` returns it) that the caller has waited for long enough, or ''.
 * Returns `{'granted', slot, token, since}`, `{'seen', for each record {state, host, token, seq, epoch, ttl, since, holder}}`
 * or `{'differs', key, theirs, ours, host}`.
 */
export const acquireScript = script(`${prelude}
local instance, host, place, ttl, seen, slots = unpack(ARGV, 1, 6)
local records = {}
local difference = disagree(KEYS[#KEYS], slots, ttl, host)
if difference then return {'differs', unpack(difference)} end
local server, now = epoch(), nowMs()
local free, matured, observed = nil, nil, {}
for slot = 1, #KEYS - 1 do
  local record = read(KEYS[slot])
  records[slot] = record
  if record.epoch ~= server then
    -- Numbered by the clock where nothing is left, so that no state looks like one from before.
    record.seq = math.max(record.seq + 1, record.state == '' and now or 0)
    record.state, record.epoch = 'grace', server
    record.ttl = math.max(record.ttl, tonumber(ttl))
    write(KEYS[slot], record)
  end
  local id = server .. '/' .. whole(record.seq)
  if record.state == 'held' and record.place == place then
    free = slot
    break
  elseif record.state == 'free' then
    free = free or slot
  elseif ARGV[6 + slot] == id then
    matured = matured or slot
  end
  observed[slot] = {record.state, record.host, whole(record.token), whole(record.seq), server,
    whole(record.ttl), record.since, record.holder}
end
local slot = free or matured
if not slot then return {'seen', unpack(observed)} end
local record = records[slot]
local token = math.max(record.token, tonumber(seen), now) + 1
write(KEYS[slot], {state = 'held', holder = instance, host = host, place = place, token = token,
  seq = record.seq + 1, epoch = server, ttl = tonumber(ttl), since = whole(now)})
return {'granted', slot, whole(token), whole(now)}
`)

/**
 * Makes a hold last longer, and restores the record where the server has lost it. To be called only by a holder
 * whose own deadline has not passed: that is what makes restoring it safe.
 *
 * Nearly always nothing else has changed, and that comes first: it is done every fraction of a second. To ask for the
 * epoch would take longer than all the rest. A record whose epoch is wrong is safe: who wants it takes it for one in
 * grace, and waits.
 *
 * KEYS: the record, the settings. ARGV: instance, host, place, ttl (ms), token, slots, since (ms), stamp ('1' when
 * something may be another than at the last renewal: the epoch, or what the record says of its holder).
 * Returns `{'renewed'}` or `{'lost', host, token, since}` of who has it now.
 */
export const renewScript = script(`
local kept = redis.call('HMGET', KEYS[1], 'state', 'holder', 'token')
if ARGV[8] == '0' and kept[1] == 'held' and kept[2] == ARGV[1] and kept[3] == ARGV[5]
  and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'seq', 1)
  return {'renewed'}
end
${prelude}
local instance, host, place, ttl, token, slots, since = unpack(ARGV)
local record = read(KEYS[1])
local mine = tonumber(token)
local isMine = record.token == mine and record.holder == instance and record.state ~= 'free'
if not isMine and record.token >= mine then return {'lost', record.host, whole(record.token), record.since} end
disagree(KEYS[2], slots, ttl, host)
write(KEYS[1], {state = 'held', holder = instance, host = host, place = place, token = mine,
  seq = record.seq + 1, epoch = epoch(), ttl = tonumber(ttl), since = since})
return {'renewed'}
`)

/**
 * Gives a hold up, for others to take at once. Only where this server itself wrote it: a release is said again when
 * its answer was lost, and by then another may have been granted the lease by a server that this one has replaced.
 * There the others wait, as they do for whoever serves without this server's knowledge.
 *
 * KEYS: the record. ARGV: instance, token, channel.
 * Returns 1, or 0 when there was nothing to give up.
 */
export const releaseScript = script(`${epoch}
local instance, token, channel = unpack(ARGV)
local record = redis.call('HMGET', KEYS[1], 'holder', 'token', 'state', 'epoch')
local isMine = record[1] == instance and record[2] == token
if not isMine or record[3] ~= 'held' or record[4] ~= epoch() then return 0 end
redis.call('HSET', KEYS[1], 'state', 'free')
redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('PUBLISH', channel, 'free')
return 1
`)
