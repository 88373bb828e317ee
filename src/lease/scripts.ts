import { askServer } from '../redis/lua.ts'
import { script } from '../redis/script.ts'

/**
 * The lease in the server: one record (a hash) for each host that may serve at a time.
 *
 * - `state`: `free`; `held`; `grace`, when this server's data may be out of date, because it is not the server that
 *   the record was written in (it was restarted, or it was a replica). Only time ends the grace.
 * - `holder`, `host`, `place`, `since`, `ttl`: the current or last holder, its location, since when, and for how long
 *   (ms)
 * - `token`: rises with each grant; `seq`: rises with each change; `epoch`: the server's run id at the last change
 *
 * Times in records are for display only, with one exception: tokens begin at the server's clock, so that they still
 * rise when the server has lost its data.
 */
const prelude = `${askServer}
-- What all hosts must have configured alike; the first host says what. Returns what differs.
local function disagree(key, slots, ttl, host)
  local set = redis.call('HMGET', key, 'lease.slots', 'lease.ttlMs')
  if set[1] == slots and set[2] == ttl then return end
  if not (set[1] and set[2]) then
    redis.call('HSET', key, 'lease.slots', slots, 'lease.ttlMs', ttl, 'host', host)
    return
  end
  local by = redis.call('HGET', key, 'host') or ''
  if set[1] ~= slots then return {'lease.slots', set[1], slots, by} end
  return {'lease.ttlMs', set[2], ttl, by}
end
`

/**
 * Reads all records, and acquires one if possible: a free one; one whose last holder was in the caller's own place,
 * and is therefore dead or the caller itself; or one that the caller has seen unchanged for long enough. Grants at
 * most one. Fields that decide nothing are read only when no record can be acquired.
 *
 * KEYS: the records, the settings. ARGV: instance, host, place, ttl (ms), highest token seen, slots, and for each
 * record the state (as `seen` returns it) that the caller has waited for long enough, or ''.
 * Returns `{'granted', slot, token, since, seq}`, `{'seen', for each record {state, host, token, seq, epoch, ttl,
 * since, holder}}` or `{'differs', key, theirs, ours, host}`.
 */
export const acquireScript = script(`${prelude}
local instance, host, place, ttl, seen, slots = unpack(ARGV, 1, 6)
local difference = disagree(KEYS[#KEYS], slots, ttl, host)
if difference then return {'differs', unpack(difference)} end
local server, now = epoch(), nowMs()
local free, matured = nil, nil
for slot = 1, #KEYS - 1 do
  local key = KEYS[slot]
  local record = redis.call('HMGET', key, 'state', 'epoch', 'seq', 'place', 'token', 'ttl')
  local state, changes = record[1], count(key, 'seq', record[3])
  nextOf(key, 'seq', changes)
  nextOf(key, 'token', count(key, 'token', record[5]))
  local lasts, seq = count(key, 'ttl', record[6]), whole(changes)
  if record[2] ~= server then
    -- Numbered by the clock, far ahead of any count: where nothing is left, no state looks like one from before; where
    -- less is left than was there, whoever holds it and goes on counting comes out elsewhere than it must.
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
    matured = matured or slot
  end
end
local slot = free or matured
if not slot then
  local observed = {}
  for at = 1, #KEYS - 1 do
    observed[at] = redis.call('HMGET', KEYS[at], 'state', 'host', 'token', 'seq', 'epoch', 'ttl', 'since', 'holder')
  end
  return {'seen', unpack(observed)}
end
local key, since = KEYS[slot], whole(now)
local last = math.max(count(key, 'token', redis.call('HGET', key, 'token')), count(key, 'token', seen), now)
local token = whole(nextOf(key, 'token', last))
redis.call('HSET', key, 'state', 'held', 'holder', instance, 'host', host, 'place', place, 'token', token,
  'ttl', ttl, 'since', since)
return {'granted', slot, token, since, redis.call('HINCRBY', key, 'seq', 1)}
`)

/**
 * Renews a hold, and restores the record if the server has lost it. Must be called only by a holder whose own
 * deadline has not passed: that is what makes restoring it safe.
 *
 * KEYS: the record, the settings. ARGV: instance, host, place, ttl (ms), token, slots, since (ms).
 * Returns `{'renewed', seq}`, or `{'lost', host, token, since}` of the current holder.
 */
export const renewScript = script(`${prelude}
local instance, host, place, ttl, token, slots, since = unpack(ARGV)
local record = redis.call('HMGET', KEYS[1], 'state', 'holder', 'token', 'host', 'since', 'seq')
local theirs, mine = count(KEYS[1], 'token', record[3]), tonumber(token)
nextOf(KEYS[1], 'seq', count(KEYS[1], 'seq', record[6]))
local isMine = theirs == mine and record[2] == instance and record[1] ~= 'free'
if not isMine and theirs >= mine then return {'lost', record[4] or '', record[3], record[5] or ''} end
disagree(KEYS[2], slots, ttl, host)
redis.call('HSET', KEYS[1], 'state', 'held', 'holder', instance, 'host', host, 'place', place, 'token', token,
  'epoch', epoch(), 'ttl', ttl, 'since', since)
return {'renewed', redis.call('HINCRBY', KEYS[1], 'seq', 1)}
`)

/**
 * Releases a hold, so that others can acquire it at once if this very server wrote it: the epoch stays as it was. A
 * release is repeated when its answer was lost, and by then a server that this one has replaced may have granted the
 * lease to another host. In that case contenders see another server's epoch, and wait.
 *
 * KEYS: the record. ARGV: instance, token, channel.
 * Returns 1, or 0 when there was nothing to release.
 */
export const releaseScript = script(`
local instance, token, channel = unpack(ARGV)
local record = redis.call('HMGET', KEYS[1], 'holder', 'token', 'state')
local isMine = record[1] == instance and record[2] == token
if not isMine or record[3] ~= 'held' then return 0 end
redis.call('HSET', KEYS[1], 'state', 'free')
redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('PUBLISH', channel, 'free')
return 1
`)
