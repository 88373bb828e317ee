import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { ReloadStep } from '../../src/primary/reloader.ts'
import { ask, Client } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
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
async function refused(service: Service, step: ReloadStep, told: RegExp): Promise<void> {
  const before = await workerPids(service)
  const { generation } = await service.status()
  const { status, stderr } = await service.cli('reload')
  assert.match(stderr, told)
  assert.match(stderr, /^helloserver: The reload failed and the old generation goes on[^\n]*\n$/)
  assert.equal(status, 1)
  assert.equal((await ask(service.port, '\r\n')).text, 'v1 none')
  const after = await service.status()
  assert.deepEqual([after.state, after.generation], ['serving', generation])
  assert.equal(after.lastReload?.outcome, 'failed')
  assert.ok(
    after.lastReload?.reason?.endsWith(`(in step "${step}")`),
    after.lastReload?.reason ?? '',
  )
  assert.match(String(after.lastReload?.reason), told)
  await waitFor('the old workers alone', async () => {
    const now = await workerPids(service)
    return now.length === before.length && now.every((pid) => before.includes(pid))
  })
}

describe('reload', { concurrency: 2 }, () => {
  test('a reload under load loses nothing', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
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

  test('new code and a new configuration apply', async (t) => {
    const service = await startService(t, { app: versioned('v1') })
    assert.equal((await ask(service.port, '\r\n')).text, 'v1 none')
    const before = await service.status()
    service.sandbox.writeApp(versioned('v2'))
    service.sandbox.configure({ workers: 2, app: { greeting: 'hello' }, queue: { max: 7 } })
    const { status, stdout } = await service.cli('reload', '--json')
    assert.equal(status, 0)
    assert.equal(JSON.parse(stdout).outcome, 'done')
    assert.equal((await ask(service.port, '\r\n')).text, 'v2 hello')
    const after = await service.status()
    assert.deepEqual([after.generation, after.queue.max], [2, 7])
    assert.equal(after.workers.filter(({ generation }) => generation === 2).length, 2)
    assert.deepEqual([after.pid, after.listen], [before.pid, before.listen])
    assert.notEqual(after.build, before.build)
  })

  test('what the old generation has in hand is finished', async (t) => {
    const service = await startService(t)
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    const [old = 0] = await workerPids(service)
    await reload(service)
    assert.equal((await ask(service.port, 'new\r\n')).text, 'new\r\n')
    const { workers } = await service.status()
    assert.deepEqual(
      workers.map(({ state, generation }) => [state, generation]),
      [
        ['retiring', 1],
        ['idle', 2],
      ],
    )
    await holder.send('old\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'old\r\n' })
    await waitFor('the end of the old worker', () => !isAlive(old))
    await counted(service, { accepted: 2, served: 2 })
  })

  for (const [what, app, told] of brokenApps) {
    test(`code that ${what} keeps the old generation`, async (t) => {
      const config = {
        workers: 2,
        reload: { readyTimeoutMs: what.startsWith('never') ? 1_500 : 15_000 },
      }
      const service = await startService(t, { ...failing, app: versioned('v1'), config })
      service.sandbox.writeApp(app)
      await refused(service, what.startsWith('ends when') ? 'workers' : 'canary', told)
      service.sandbox.writeApp(versioned('v2'))
      await reload(service)
      assert.equal((await ask(service.port, '\r\n')).text, 'v2 none')
    })
  }

  test('a bad configuration keeps the old one', async (t) => {
    const service = await startService(t, { ...failing, app: versioned('v1') })
    service.sandbox.configure({ workers: 0 })
    await refused(service, 'configuration', /workers is 0; it must be/)
    writeFileSync(service.sandbox.configFile, '{')
    await refused(service, 'configuration', /Cannot read .*config\.json/)
  })

  test('workers are held to the limits that they were started with', async (t) => {
    const app = `import { existsSync } from 'node:fs'
    export default {
      async setup() {
        if (existsSync(recordFile)) await new Promise((resolve) => setTimeout(resolve, 1e9))
      },
      async handle(connection) {
        await connection.readLine()
        await connection.write('v1 none')
      },
    }`
    const service = await startService(t, { ...failing, app })
    service.sandbox.mark()
    // Before the first heartbeat of a worker that has the default one.
    const watchdog = { heartbeatMs: 20, hungAfterMs: 100 }
    service.sandbox.configure({ watchdog, reload: { readyTimeoutMs: 1_500 } })
    await refused(service, 'canary', /not ready within 1500 ms/)
  })

  test('requests that come while a reload runs become one more', async (t) => {
    const service = await startService(t)
    const results = await Promise.all([1, 2, 3, 4].map(() => service.cli('reload')))
    assert.deepEqual(
      results.map(({ status }) => status),
      [0, 0, 0, 0],
    )
    const { generation } = await service.status()
    assert.ok(generation >= 2 && generation <= 5, `generation ${generation}`)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  })

  test('a scale and a reload at the same time both end', async (t) => {
    const service = await startService(t)
    const [scaled, reloaded] = await Promise.all([service.cli('scale', '3'), service.cli('reload')])
    assert.equal(reloaded.status, 0, reloaded.stderr)
    assert.ok(scaled.status === 0 || scaled.status === 1, scaled.stderr)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  })
})
