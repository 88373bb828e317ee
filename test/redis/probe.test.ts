import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RedisLink } from '../../src/redis/link.ts'
import { probeRedis } from '../../src/redis/probe.ts'
import { parseRedisUrl } from '../../src/redis/redis-target.ts'
import { startCannedRedis } from '../helpers/redis/canned-redis.ts'
import { keptLog } from '../unit/support/kept-log.ts'

for (const { name, version, valkey, warning } of [
  {
    name: 'a Redis that the tests do not run under',
    version: '99.1.2',
    warning: /^Redis 99\.1\.2 is not supported, though it may work; the supported releases are 6, /,
  },
  {
    name: 'a Valkey that the tests do not run under, whatever Redis it says it is',
    version: '7.2.4',
    valkey: '99.0.1',
    warning:
      /^Valkey 99\.0\.1 is not supported, though it may work; the supported releases are 8, /,
  },
  { name: 'a Redis that the tests run under', version: '7.2.4' },
  { name: 'a Valkey that the tests run under', version: '7.2.4', valkey: '9.0.0' },
] as const) {
  test(`${name} is ${warning === undefined ? 'used in silence' : 'used with a warning'}`, async (t) => {
    const port = await startCannedRedis(t, version, valkey)
    const link = new RedisLink(parseRedisUrl(`redis://127.0.0.1:${port}`, 'the test'), 'test')
    t.after(() => link.close())
    const { log, lines } = keptLog()
    await probeRedis(link, log)
    const warnings = lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg)
    assert.equal(warnings.length, warning === undefined ? 0 : 1, warnings.join())
    if (warning !== undefined) assert.match(String(warnings[0]), warning)
    assert.ok(lines.some(({ msg }) => msg === 'Sharing the lease through Redis'))
  })
}
