import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { ask, Client } from '../helpers/client.ts'
import { signalTo } from '../helpers/processes.ts'
import type { SandboxOptions } from '../helpers/sandbox.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const hungAfterMs = 1_500
const watchdog = { heartbeatMs: 100, hungAfterMs }

/** Misbehaves as its client asks it to. */
const wilful = `export default {
  async handle(connection) {
    const line = await connection.readLine()
    await connection.write(line)
    if (line.includes('block')) for (;;);
    if (line.includes('never')) await new Promise(() => {})
  },
}`

const killing: SandboxOptions = {
  app: wilful,
  config: { watchdog, connection: { deadlineMs: 300, lingerMs: 100 } },
  allow: [/Killing a worker/],
}

/** Has a handler misbehave, and expects its worker to be killed, with these words, and replaced. */
async function expectKilled(service: Service, line: string, cause: RegExp): Promise<void> {
  const [worker] = await workerPids(service)
  const client = await Client.connect(service.port)
  await client.send(line)
  await client.ending()
  const logged = await service.sandbox.logged(/^.*Killing a worker.*$/m)
  const told = JSON.parse(logged) as Record<string, unknown>
  assert.match(String(told['cause']), cause)
  assert.deepEqual([told['peer'], told['workerPid']], [client.address, worker])
  assert.ok(Number(told['ageMs']) > 0)
  assert.equal((await ask(service.port, 'well\r\n')).text, 'well\r\n')
  assert.notDeepEqual(await workerPids(service), [worker])
  await counted(service, { accepted: 2, failed: 1, served: 1 })
}

/** Expects that no worker dies in as long as a hung one would take to be found. */
async function expectUnharmed(service: Service, workers: readonly number[]): Promise<void> {
  const { uptimeMs } = await service.status()
  await waitFor('time to misjudge', async () => {
    return (await service.status()).uptimeMs > uptimeMs + 2 * hungAfterMs
  })
  assert.deepEqual(await workerPids(service), workers)
  assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  await counted(service, { failed: 0 })
}

describe('the watchdog', { concurrency: 2 }, () => {
  test('kills a worker whose event loop does not turn', async (t) => {
    await expectKilled(await startService(t, killing), 'block\r\n', /^hung: /)
  })

  test('kills a worker whose handler does not settle after the deadline', async (t) => {
    await expectKilled(await startService(t, killing), 'never\r\n', /^stuck: /)
  })

  test('kills a worker that was stopped', async (t) => {
    const service = await startService(t, killing)
    const [worker = 0] = await workerPids(service)
    signalTo(worker, 'SIGSTOP')
    await service.sandbox.logged(/hung: .*Killing a worker/)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    await counted(service, { accepted: 1, served: 1, failed: 0 })
  })

  test('offers nothing to a worker that it has killed', async (t) => {
    // What a process holds takes the system a while to take back; clients come meanwhile.
    const app = `const ballast = Buffer.alloc(256 * 1024 * 1024, 1)
    export default {
      async handle(connection) {
        await connection.write(ballast.subarray(0, 2))
      },
    }`
    const service = await startService(t, { ...killing, app })
    const [worker = 0] = await workerPids(service)
    signalTo(worker, 'SIGSTOP')
    while (!/Killing a worker/.test(service.log())) await turn()
    const endings = await Promise.all(Array.from({ length: 10 }, () => ask(service.port, '')))
    assert.deepEqual(new Set(endings.map(({ text }) => text)), new Set(['\x01\x01']))
    await counted(service, { accepted: 10, served: 10 })
  })

  test('kills no worker because the primary was paused', async (t) => {
    const service = await startService(t, { config: { workers: 2, watchdog } })
    const workers = await workerPids(service)
    service.signal('SIGSTOP')
    await delay(2 * hungAfterMs)
    service.signal('SIGCONT')
    await expectUnharmed(service, workers)
  })

  test('kills no worker because everything was paused', async (t) => {
    const service = await startService(t, { config: { workers: 2, watchdog } })
    const workers = await workerPids(service)
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    const all = [service.pid, ...workers]
    for (const pid of all) signalTo(pid, 'SIGSTOP')
    await delay(2 * hungAfterMs)
    for (const pid of all) signalTo(pid, 'SIGCONT')
    await holder.send('held\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'held\r\n' })
    await expectUnharmed(service, workers)
  })
})
