import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeTarget, parseRedisUrl } from '../../../src/redis/target.ts'

test('a password may have an @, as it is or encoded; the host begins after the last one', () => {
  for (const written of ['p@ss', 'p%40ss']) {
    const target = parseRedisUrl(`redis://me:${written}@db:1`, 'The URL')
    assert.equal(target.password, 'p@ss')
    assert.equal(describeTarget(target), 'Redis at db:1')
  }
  const url = 'redis+sentinel://:p@ss@one,two/group?sentinelPassword=s@cret'
  const target = parseRedisUrl(url, 'The URL')
  assert.ok(target.kind === 'sentinel')
  assert.deepEqual([target.password, target.sentinelPassword], ['p@ss', 's@cret'])
})
