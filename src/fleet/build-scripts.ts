import { askServer } from '../redis/lua.ts'
import { script } from '../redis/script.ts'

/** Builds that failed to become ready, by digest, as JSON: `{host, reason, at}`. `at` is by the server's clock (ms). */
const prelude = `${askServer}
local builds = KEYS[1]
local function hostOf(build)
  local text = redis.call('HGET', builds, build)
  return text and cjson.decode(text).host
end
`

/**
 * Asks whether another host has refused a build. KEYS: builds. ARGV: build, host. Returns that host's record, or ''.
 */
export const buildScript = script(`${prelude}
local build, host = unpack(ARGV)
local by = hostOf(build)
if not by or by == host then return '' end
return redis.call('HGET', builds, build)
`)

/**
 * Records that a build failed to become ready; only the first host's report counts. KEYS: builds. ARGV: build, host,
 * reason.
 */
export const refuseScript = script(`${prelude}
local build, host, reason = unpack(ARGV)
local by = hostOf(build)
if by and by ~= host then return 0 end
return redis.call('HSET', builds, build, cjson.encode({host = host, reason = reason, at = nowMs()}))
`)

/** Withdraws a host's refusal of a build, which has become ready there after all. KEYS: builds. ARGV: build, host. */
export const acceptScript = script(`${prelude}
local build, host = unpack(ARGV)
if hostOf(build) ~= host then return 0 end
return redis.call('HDEL', builds, build)
`)

/**
 * Clears a build, or all ('*'), for an operator. KEYS: builds. ARGV: build. Returns `{number cleared, the builds on
 * record}`.
 */
export const clearScript = script(`
local builds, build = KEYS[1], ARGV[1]
local all = redis.call('HKEYS', builds)
if build == '*' then
  redis.call('DEL', builds)
  return {#all, all}
end
return {redis.call('HDEL', builds, build), all}
`)
