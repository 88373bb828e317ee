import assert from 'node:assert/strict'
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { counted, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Cannot load while a file named "broken" is there; one of its workers does not notice it. */
const fragile = `import { existsSync } from 'node:fs'
export default {
  async setup({ slot }) {
    if (slot > 1 && existsSync(folder + '/broken')) process.exit(1)
  },
  async handle(connection) {
    await connection.write((await connection.readLine()) ?? '')
  },
}`

test('a crash loop is shown as degraded, is served through, and is recovered from', async (t) => {
  const service = await startService(t, { config: { workers: 2 }, app: fragile })
  const { sandbox } = service
  const broken = join(sandbox.runDir, '..', 'broken')
  writeFileSync(broken, '')
  const [, second = 0] = await workerPids(service)
  signalTo(second, 'SIGKILL')
  await waitFor('a degraded service', async () => (await service.status()).state === 'degraded')
  assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  const shown = await service.cli('status')
  assert.match(shown.stdout, /^state +degraded, /m)

  rmSync(broken)
  await waitFor('a service that recovered', async () => {
    const { state, workers } = await service.status()
    return state === 'serving' && workers.every((worker) => worker.state === 'idle')
  })
  await counted(service, { failed: 0, active: 0 })
})

test('a worker that leaves in good order as soon as it is ready, again and again, backs off', async (t) => {
  const app = `import { existsSync } from 'node:fs'
  export default {
    setup: () => setInterval(() => existsSync(recordFile) && process.exit(0), 10).unref(),
    handle: (connection) => connection.write('a'),
  }`
  const service = await startService(t, { app })
  service.sandbox.mark()
  await service.sandbox.logged(/Worker 1 died \d times in a row \(exited with status 0\)/)
  await waitFor('a degraded service', async () => (await service.status()).state === 'degraded')
  service.sandbox.unmark()
  assert.equal((await ask(service.port, '')).text, 'a')
})

test('a worker that an exception outside any handler ends is replaced', async (t) => {
  const app = `export default {
    async handle(connection) {
      const line = await connection.readLine()
      if (line.includes('bad')) setImmediate(() => { throw new Error('out of nowhere') })
      await connection.write(line)
    },
  }`
  const service = await startService(t, { app, allow: [/out of nowhere.*Uncaught exception/] })
  const before = await workerPids(service)
  await ask(service.port, 'bad\r\n')
  await service.sandbox.logged(/Worker 1 died \(.*\); starting another/)
  assert.equal((await ask(service.port, 'good\r\n')).text, 'good\r\n')
  assert.notDeepEqual(await workerPids(service), before)
})

test('a worker that was told to end leaves after its connection, and loses none', async (t) => {
  const service = await startService(t, { config: { logLevel: 'debug' } })
  const [worker = 0] = await workerPids(service)
  const holder = await Client.connect(service.port, { staysOpen: true })
  await counted(service, { active: 1 })
  const waiting = await Client.connect(service.port)
  await counted(service, { queued: 1 })
  signalTo(worker, 'SIGTERM')
  await service.sandbox.logged(/The worker is ending/)
  await holder.send('a\r\n')
  assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
  // The worker now waits for the holder to end its side; whoever is next must not go down with it.
  assert.equal(isAlive(worker), true)
  await counted(service, { served: 1, queued: 1 })
  holder.halfClose()
  await waitFor('another worker', async () => {
    const pids = await workerPids(service)
    return pids.length === 1 && !pids.includes(worker)
  })
  await waiting.send('b\r\n')
  assert.deepEqual(await waiting.ending(), { how: 'end', text: 'b\r\n' })
  await counted(service, { accepted: 2, served: 2, failed: 0 })
})

test('workers leave the signals of a group to the primary', async (t) => {
  const service = await startService(t)
  const [worker = 0] = await workerPids(service)
  const holder = await Client.connect(service.port)
  await counted(service, { active: 1 })
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGUSR1', 'SIGUSR2', 'SIGPIPE'] as const) {
    signalTo(worker, signal)
  }
  await holder.send('a\r\n')
  assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
  assert.equal((await ask(service.port, 'b\r\n')).text, 'b\r\n')
  assert.deepEqual(await workerPids(service), [worker])
  assert.equal((await service.status()).generation, 1)
})

test('a worker is replaced although the run directory is gone', async (t) => {
  const service = await startService(t, { config: { logLevel: 'debug' } })
  const [worker = 0] = await workerPids(service)
  const { runDir } = service.sandbox
  renameSync(runDir, `${runDir}-away`)
  signalTo(worker, 'SIGKILL')
  assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  // The primary makes another one.
  await waitFor('the PID file', () => existsSync(service.sandbox.pidFile))
  rmSync(`${runDir}-away`, { recursive: true })
  await counted(service, { served: 1, failed: 0 })
})

test('a worker whose primary was killed does not outlive its patience', async (t) => {
  const app = 'export default { handle: () => new Promise(() => {}) }'
  const connection = { deadlineMs: 100, lingerMs: 100 }
  const watchdog = { heartbeatMs: 50, hungAfterMs: 200 }
  const service = await startService(t, { app, config: { connection, watchdog } })
  const [worker = 0] = await workerPids(service)
  await Client.connect(service.port)
  await counted(service, { active: 1 })
  signalTo(service.pid, 'SIGKILL')
  await waitFor('the end of the worker', () => !isAlive(worker))
  rmSync(service.sandbox.pidFile)
  rmSync(service.sandbox.socketFile)
})

test('no signal to the whole group that the primary ignores ends a worker', async (t) => {
  const service = await startService(t)
  const before = await workerPids(service)
  for (const signal of ['SIGALRM', 'SIGVTALRM', 'SIGXCPU', 'SIGIO'] as const) {
    for (const pid of [service.pid, ...before]) signalTo(pid, signal)
  }
  assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  assert.deepEqual(await workerPids(service), before)
})
