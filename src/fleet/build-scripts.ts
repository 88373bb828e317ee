import { askServer } from '../redis/lua.ts'
import { script } from '../redis/script.ts'

/** Builds that could not get ready, as JSON by their digest: `{host, reason, at}`, the time by the server's clock (ms). */
const prelude = `${askServer}
local builds = KEYS[1]
local function hostOf(build)
  local text = redis.call('HGET', builds, build)
  return text and cjson.decode(text).host
end
`

/** KEYS: builds. ARGV: build, host. Returns the record of another host for that build, or ''. */
export const buildScript = script(`${prelude}
local build, host = unpack(ARGV)
local by = hostOf(build)
if not by or by == host then return '' end
return redis.call('HGET', builds, build)
`)

/** A build could not get ready; the first host that says so is the one that counts. KEYS: builds. ARGV: build, host, reason. */
export const refuseScript = script(`${prelude}
local build, host, reason = unpack(ARGV)
local by = hostOf(build)
if by and by ~= host then return 0 end
return redis.call('HSET', builds, build, cjson.encode({host = host, reason = reason, at = nowMs()}))
`)

/** A build got ready on the host where it could not before. KEYS: builds. ARGV: build, host. */
export const acceptScript = script(`${prelude}
local build, host = unpack(ARGV)
if hostOf(build) ~= host then return 0 end
return redis.call('HDEL', builds, build)
`)

/** A person clears a build, or all of them ('*'). KEYS: builds. ARGV: build. Returns `{how many were cleared, those that there were}`. */
export const clearScript = script(`
local builds, build = KEYS[1], ARGV[1]
local all = redis.call('HKEYS', builds)
if build == '*' then
  redis.call('DEL', builds)
  return {#all, all}
end
return {redis.call('HDEL', builds, build), all}
`)
