import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { reload, tryReload, tryUpgrade, upgrade } from '../helpers/commands.ts'
import { fleetOf } from '../helpers/fleet.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { type Service, startService } from '../helpers/service.ts'

const good = (word: string) =>
  `export default { async handle(connection) { await connection.write('${word}') } }`
const broken = (why: string) => `throw new Error('a broken build for ${why}')`

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

test('rollouts', async (t) => {
  const redis = await RedisServer.start(t)
  const [one, two] = await startPair(t, redis)
  await t.test('a bad configuration on one host does not concern the others', async () => {
    one.sandbox.configure({ workers: 0 })
    assert.equal((await tryReload(one)).outcome, 'failed')
    assert.equal((await tryUpgrade(one)).outcome, 'failed')
    one.sandbox.configure({ lease: { mode: 'off' } })
    assert.deepEqual((await fleetOf(one)).refusedBuilds, [])
  })
  for (const [command, deploy, tryDeploy] of [
    ['reload', reload, tryReload],
    ['upgrade', upgrade, tryUpgrade],
  ] as const) {
    await t.test(
      `a build that did not get ready on one host is refused on the other: ${command}`,
      async () => {
        one.sandbox.writeApp(broken(command))
        const told = new RegExp(`a broken build for ${command}`)
        assert.equal((await tryDeploy(one)).outcome, 'failed')
        const { refusedBuilds, hosts } = await fleetOf(two)
        const [refused, ...others] = refusedBuilds.filter(({ reason }) => told.test(reason))
        assert.deepEqual(others, [])
        assert.ok(hosts.some(({ host }) => host === refused?.host))
        const { generation } = await two.status()
        const { status, stderr } = await two.cli(command)
        assert.equal(status, 1)
        assert.match(
          stderr,
          new RegExp(`Build \\w{12} did not become ready on .*: .*${told.source}`),
        )
        assert.equal((await two.status()).generation, generation)
        // A different build is not refused.
        one.sandbox.writeApp(good(`v2 by ${command}`))
        await deploy(two)
      },
    )
  }
  await t.test(
    'a person can have it tried again, and so does its success where it had failed',
    async () => {
      assert.equal((await two.cli('fleet', 'clear', '--all')).status, 0)
      await triedAgain(one, two)
    },
  )
})

async function triedAgain(one: Service, two: Service): Promise<void> {
  // This code fails on the first host only.
  const isFirst = `process.env.HELLOSERVER_RUN_DIR === ${JSON.stringify(one.sandbox.runDir)}`
  const half = `import { existsSync } from 'node:fs'
if (${isFirst}) if (!existsSync(recordFile)) throw new Error('a broken build')
${good('v3')}`
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
}
