import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { StepName } from '../../src/service/reload-steps.ts'
import { ask, Client } from '../helpers/client.ts'
import { reload, scale, tryReload } from '../helpers/commands.ts'
import { Load } from '../helpers/load.ts'
import { isAlive } from '../helpers/processes.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Answers with its version and the greeting of its configuration. */
const versioned = (version: string) => `export default {
  async handle(connection, { settings }) {
    await connection.readLine()
    await connection.write('${version} ' + (settings.greeting ?? 'none'))
  },
}`

/** Code that cannot get ready, and what the person is told of each. */
const brokenApps: readonly [what: string, app: string, told: RegExp][] = [
  ['throws while it loads', `throw new Error('no database')`, /no database/],
  ['does not parse', 'export default {', /Unexpected end of input/],
  ['ends the process while it loads', 'process.exit(3)', /exited with status 3/],
  ['has no handle', 'export default {}', /no default export with a handle/],
  [
    'throws in setup',
    `export default { handle() {}, setup() { throw new Error('no device') } }`,
    /no device/,
  ],
  [
    'never ends its setup',
    'export default { handle() {}, setup: () => new Promise((resolve) => setTimeout(resolve, 1e9)) }',
    /Worker 1 could not get ready: not ready within 1500 ms/,
  ],
  [
    'never lets go of the processor in its setup',
    'export default { handle() {}, setup() { for (;;); } }',
    /Worker 1 could not get ready: not ready within 1500 ms/,
  ],
  [
    'ends when it has been ready',
    // The second worker is ready once the first one has been started again, which the primary does when it died.
    `import { appendFileSync, existsSync, readFileSync } from 'node:fs'
    const starts = () => existsSync(recordFile) ? readFileSync(recordFile).length : 0
    export default { handle() {}, async setup({ slot }) {
      if (slot === 1) {
        appendFileSync(recordFile, 'x')
        setImmediate(() => process.exit(3))
      } else while (starts() < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    } }`,
    /Worker 1 was ready, but died again/,
  ],
]

const failing = { allow: [/Reload failed/, /not ready.*Killing a worker/] }

/** Reloads, and expects that it fails in this step with these words while the old workers go on serving. */
async function refused(
  service: Service,
  step: StepName,
  told: RegExp,
  answer = 'v1 none',
): Promise<void> {
  // Those that the reload before has replaced may be there yet.
  const { generation } = await waitFor('the workers of one generation', async () => {
    const status = await service.status()
    const isAlone = status.workers.every((worker) => worker.generation === status.generation)
    return isAlone ? status : undefined
  })
  const before = await workerPids(service)
  const { outcome, reason } = await tryReload(service)
  assert.equal(outcome, 'failed')
  assert.match(String(reason), told)
  assert.ok(reason?.endsWith(`(in step "${step}")`), String(reason))
  assert.equal((await ask(service.port, '\r\n')).text, answer)
  const after = await service.status()
  assert.deepEqual([after.state, after.generation], ['serving', generation])
  assert.deepEqual(after.lastReload?.reason, reason)
  await waitFor('the old workers alone', async () => {
    const now = await workerPids(service)
    return now.length === before.length && now.every((pid) => before.includes(pid))
  })
}

describe('reload', { concurrency: 2 }, () => {
  test('of a service that goes on', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    await t.test('under load loses nothing', async () => {
      const load = new Load(service.port, 12)
      for (const generation of [2, 3, 4]) {
        const askedBefore = load.asked
        service.signal('SIGHUP')
        await waitFor('a reload', async () => (await service.status()).generation === generation)
        await waitFor('some load', () => load.asked > askedBefore + 30)
      }
      const { asked, failures } = await load.stop()
      assert.deepEqual(failures, [])
      await counted(service, { accepted: asked, served: asked, active: 0, queued: 0 })
    })

    await t.test('finishes what the old generation has in hand', async () => {
      service.sandbox.configure()
      await reload(service)
      await waitFor('one worker', async () => (await workerPids(service)).length === 1)
      const { generation, connections } = await service.status()
      const holder = await Client.connect(service.port)
      await counted(service, { active: 1 })
      const [old = 0] = await workerPids(service)
      await reload(service)
      assert.equal((await ask(service.port, 'new\r\n')).text, 'new\r\n')
      const { workers } = await counted(service, { served: connections.served + 1 })
      assert.deepEqual(
        workers.map((worker) => [worker.state, worker.generation]),
        [
          ['retiring', generation],
          ['idle', generation + 1],
        ],
      )
      await holder.send('old\r\n')
      assert.deepEqual(await holder.ending(), { how: 'end', text: 'old\r\n' })
      await waitFor('the end of the old worker', () => !isAlive(old))
      await counted(service, { served: connections.served + 2, failed: 0 })
    })

    await t.test('applies new code and a new configuration', async () => {
      const before = await service.status()
      service.sandbox.writeApp(versioned('v2'))
      service.sandbox.configure({ workers: 2, app: { greeting: 'hello' }, queue: { max: 7 } })
      const { status, stdout } = await service.cli('reload', '--json')
      assert.equal(status, 0)
      assert.equal(JSON.parse(stdout).outcome, 'done')
      assert.equal((await ask(service.port, '\r\n')).text, 'v2 hello')
      const after = await service.status()
      assert.deepEqual([after.generation, after.queue.max], [before.generation + 1, 7])
      assert.equal(after.workers.filter((one) => one.generation === after.generation).length, 2)
      assert.deepEqual([after.pid, after.listen], [before.pid, before.listen])
      assert.notEqual(after.build, before.build)
    })

    await t.test('becomes one more when it is asked for while one runs', async () => {
      service.sandbox.writeApp()
      service.sandbox.configure()
      const before = await service.status()
      await Promise.all([1, 2, 3, 4].map(() => reload(service)))
      const more = (await service.status()).generation - before.generation
      assert.ok(more >= 1 && more <= 4, `${more} generations`)
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    })

    await t.test('and a scale at the same time both end', async () => {
      const [scaled, reloaded] = await Promise.allSettled([scale(service, 3), reload(service)])
      assert.equal(reloaded.status, 'fulfilled')
      assert.ok(scaled.status === 'fulfilled' || scaled.reason instanceof Error)
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    })
  })

  test('code that cannot get ready leaves the old generation serving', async (t) => {
    const service = await startService(t, {
      ...failing,
      app: versioned('v1'),
      config: { workers: 2 },
    })
    const { sandbox } = service
    for (const [what, app, told] of brokenApps) {
      await t.test(`code that ${what}`, async () => {
        // What never ends is given up soon; all else has the time that a busy machine takes.
        const readyTimeoutMs = what.startsWith('never') ? 1_500 : 60_000
        sandbox.configure({ workers: 2, reload: { readyTimeoutMs } })
        sandbox.writeApp(app)
        await refused(service, what.startsWith('ends when') ? 'workers' : 'canary', told)
      })
    }
    await t.test('a bad configuration, of which the command tells', async () => {
      sandbox.writeApp(versioned('v1'))
      writeFileSync(sandbox.configFile, '{')
      await refused(service, 'configuration', /Cannot read .*config\.json/)
      rmSync(sandbox.configFile)
      execFileSync('mkfifo', [sandbox.configFile])
      await refused(service, 'configuration', /config\.json: it is not a regular file/)
      rmSync(sandbox.configFile)
      sandbox.configure({ workers: 0 })
      await refused(service, 'configuration', /workers is 0; it must be/)
      const { status, stderr } = await service.cli('reload')
      assert.equal(status, 1)
      assert.match(
        stderr,
        /^helloserver: The reload failed; the old generation keeps serving[^\n]*workers is 0[^\n]*\n$/,
      )
    })
    await t.test('until it can', async () => {
      sandbox.configure({ workers: 2 })
      sandbox.writeApp(versioned('v2'))
      await reload(service)
      assert.equal((await ask(service.port, '\r\n')).text, 'v2 none')
    })
    await t.test('workers are held to the limits that they were started with', async () => {
      sandbox.writeApp(
        'export default { handle() {}, setup: () => new Promise((resolve) => setTimeout(resolve, 1e9)) }',
      )
      // Before the first heartbeat of a worker that has the default one.
      const watchdog = { heartbeatMs: 20, hungAfterMs: 100 }
      sandbox.configure({ workers: 2, watchdog, reload: { readyTimeoutMs: 1_500 } })
      await refused(service, 'canary', /not ready within 1500 ms/, 'v2 none')
    })
  })
})
