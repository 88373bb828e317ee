import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { reload, tryReload, tryUpgrade } from '../helpers/commands.ts'
import { fleetOf } from '../helpers/fleet.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { type Service, startService } from '../helpers/service.ts'

const good = (word: string) =>
  `export default { async handle(connection) { await connection.write('${word}') } }`
const broken = `throw new Error('a broken build')`

/** Two hosts that run the same app from the same folder, as if a deploy had reached both. */
async function startPair(t: TestContext, redis: RedisServer): Promise<[Service, Service]> {
  const allow = [/reload/i, /a broken build/, /Cannot take the service over/]
  const environment = { HELLOSERVER_REDIS_URL: redis.url }
  const config = { lease: { mode: 'off' } }
  const one = await startService(t, { app: good('v1'), config, environment, allow })
  const { configFile } = one.sandbox
  const shared = { ...environment, HELLOSERVER_CONFIG: configFile }
  return [one, await startService(t, { environment: shared, allow })]
}

describe('roll-outs', { concurrency: 2 }, () => {
  for (const command of ['reload', 'upgrade'] as const) {
    test(`a build that did not get ready on one host is refused on the other: ${command}`, async (t) => {
      const redis = await RedisServer.start(t)
      const [one, two] = await startPair(t, redis)
      one.sandbox.writeApp(broken)
      assert.equal((await one.cli(command)).status, 1)
      const { refusedBuilds, hosts } = await fleetOf(two)
      assert.equal(refusedBuilds.length, 1)
      const [refused] = refusedBuilds
      assert.match(refused?.reason ?? '', /a broken build/)
      assert.ok(hosts.some(({ host }) => host === refused?.host))
      const { generation } = await two.status()
      const { status, stderr } = await two.cli(command)
      assert.equal(status, 1)
      assert.match(stderr, /Build \w{12} did not get ready on .*: .*a broken build/)
      assert.equal((await two.status()).generation, generation)
      // Another build is another matter.
      one.sandbox.writeApp(good('v2'))
      assert.equal((await two.cli(command)).status, 0)
    })
  }

  test('a person can have it tried again, and so does its success where it had failed', async (t) => {
    const redis = await RedisServer.start(t)
    const [one, two] = await startPair(t, redis)
    // Fails on the first host alone.
    const environment = `if (process.env.HELLOSERVER_RUN_DIR === ${JSON.stringify(one.sandbox.runDir)})`
    const half = `import { existsSync } from 'node:fs'
${environment} if (!existsSync(recordFile)) throw new Error('a broken build')
${good('v2')}`
    one.sandbox.writeApp(half)
    assert.equal((await tryReload(one)).outcome, 'failed')
    assert.equal((await tryReload(two)).outcome, 'failed')
    const { build = '' } = (await fleetOf(two)).refusedBuilds[0] ?? {}
    const cleared = await two.cli('fleet', 'clear', build)
    assert.equal(cleared.status, 0, cleared.stderr)
    await reload(two)
    assert.equal((await tryReload(one)).outcome, 'failed')
    assert.equal((await tryReload(two)).outcome, 'failed')
    one.sandbox.mark()
    await reload(one)
    await reload(two)
    assert.deepEqual((await fleetOf(two)).refusedBuilds, [])
  })

  test('bad configuration is nobody else’s business', async (t) => {
    const redis = await RedisServer.start(t)
    const [one] = await startPair(t, redis)
    one.sandbox.configure({ workers: 0 })
    assert.equal((await tryReload(one)).outcome, 'failed')
    assert.equal((await tryUpgrade(one)).outcome, 'failed')
    one.sandbox.configure({ lease: { mode: 'off' } })
    assert.deepEqual((await fleetOf(one)).refusedBuilds, [])
  })
})
