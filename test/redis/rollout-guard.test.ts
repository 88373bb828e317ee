import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ErrorCode, HelloserverError } from '../../src/errors.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { FleetHost } from './fleet-host.ts'

const good = async () => {}
const bad = (code: ErrorCode) => async () => {
  throw new HelloserverError(code, 'Worker 1 threw')
}

const deploy = (host: FleetHost, build: string, perform: () => Promise<void>) =>
  host.deploy({ build, isReduction: false, force: false }, perform)

const refused = {
  code: 'BUILD_REFUSED',
  message: /^Build b2 did not become ready on web1 at .*: Worker 1 threw\. /,
}

describe('the rollout guard', { concurrency: 4 }, () => {
  test('keeps a build that failed on one host from the others, until it works there', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1')
    const two = await FleetHost.join(t, redis.url, 'web2')
    await assert.rejects(deploy(one, 'b2', bad('BOOT_FAILED')), { code: 'BOOT_FAILED' })
    await assert.rejects(deploy(two, 'b2', good), refused)
    await deploy(two, 'b3', good)
    // The host where it failed may try again.
    await deploy(one, 'b2', good)
    await deploy(two, 'b2', good)
  })

  test('allows a build again when an operator clears it', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1')
    const two = await FleetHost.join(t, redis.url, 'web2')
    await assert.rejects(deploy(one, 'b2', bad('BOOT_FAILED')))
    const { refusedBuilds } = await two.fleet.operations.view()
    assert.deepEqual(
      refusedBuilds.map(({ build, host, reason }) => [build, host, reason]),
      [['b2', 'web1', 'Worker 1 threw']],
    )
    await assert.rejects(two.fleet.operations.clear('b9'), {
      code: 'UNKNOWN_BUILD',
      message: 'Build "b9" is not refused; the refused builds are b2',
    })
    assert.equal(await two.fleet.operations.clear('b2'), 1)
    await deploy(two, 'b2', good)
    assert.equal(await two.fleet.operations.clear(null), 0)
  })

  test('refuses no build for any other failure', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1')
    await assert.rejects(deploy(one, 'b2', bad('ADDRESS_TAKEN')))
    await assert.rejects(deploy(one, 'b2', bad('STOPPING')))
    const { refusedBuilds } = await one.fleet.operations.view()
    assert.deepEqual(refusedBuilds, [])
  })

  test('an unreachable Redis stops no reload, and the log has a warning', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1')
    await redis.kill()
    await deploy(one, 'b2', good)
    assert.ok(one.hasLogged('warn', /Cannot ask whether another host refused this build/))
  })
})
