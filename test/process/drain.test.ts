import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DrainStatus } from '../../src/status.ts'
import { ask, Client } from '../helpers/client.ts'
import { stop } from '../helpers/commands.ts'
import { isAlive } from '../helpers/processes.ts'
import { counted, runService, type Service, startService } from '../helpers/service.ts'
import { serviceAt } from '../helpers/service-in.ts'
import { held } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** One connection in hand and one that waits. */
async function occupy(service: Service) {
  const holder = await held(service)
  const waiting = await Client.connect(service.port)
  await counted(service, { queued: 1 })
  return { holder, waiting }
}

function phaseIs(service: Service, phase: DrainStatus['phase']): Promise<DrainStatus> {
  return waitFor(`the phase "${phase}"`, async () => {
    const { drain } = await service.status()
    return drain?.phase === phase ? drain : undefined
  })
}

/** The phases that a service went through, by its log. */
function wayOf({ sandbox }: Service): string[] {
  const moves = sandbox.log().matchAll(/"to":"([^"]+)"[^}]*"msg":"The drain is at/g)
  return [...moves].map(([, to]) => to ?? '')
}

/** Its workers never end by themselves. */
const endless = `export default {
  async handle(connection) { await connection.write((await connection.readLine()) ?? '') },
  teardown: () => new Promise(() => {}),
}`

/** So long that no test gets to see its end. */
const announceMs = 600_000

/** Stops it with a command that shows how it gets on while two clients keep it from the end. */
async function stoppedBy(command: 'stop' | 'restart', service: Service): Promise<void> {
  const { holder, waiting } = await occupy(service)
  const child = service.sandbox.spawn([command, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let told = ''
  let result = ''
  child.stderr?.on('data', (chunk: Buffer) => (told += chunk.toString()))
  child.stdout?.on('data', (chunk: Buffer) => (result += chunk.toString()))
  await waitFor('two lines', () => told.split('\n').length > 2)
  await holder.send('a\r\n')
  await waiting.send('b\r\n')
  await waitFor('the end of the command', () => child.exitCode !== null)
  const lines = told.trimEnd().split('\n')
  for (const line of lines) {
    assert.match(line, /^helloserver: [a-z ]+: \d queued, \d active, \d+ s left$/)
  }
  assert.match(lines[0] ?? '', /: serving the queue: 1 queued, 1 active, /)
  assert.deepEqual(JSON.parse(result.split('\n')[0] ?? ''), { dropped: 0 })
}

describe('drain', { concurrency: 2 }, () => {
  test('of a service that announces it, from the first phase to the last', async (t) => {
    const service = await startService(t, { config: { drain: { announceMs } }, app: endless })
    assert.equal((await service.status()).drain, null)
    service.signal('SIGUSR1')

    await t.test('announced, it still accepts, and serves whoever comes', async () => {
      const { remainingMs } = await phaseIs(service, 'announcing')
      assert.ok(remainingMs > announceMs, `${remainingMs} ms`)
      assert.equal((await service.status()).state, 'draining')
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
      assert.equal((await service.status()).drain?.phase, 'announcing')
    })

    await t.test('status shows its cause, its phase, what is left, and how long', async () => {
      const { holder, waiting } = await occupy(service)
      service.signal('SIGUSR1')
      const { remainingMs, ...drain } = await phaseIs(service, 'serving-queue')
      assert.deepEqual(drain, { cause: 'SIGUSR1', phase: 'serving-queue', queued: 1, inHand: 1 })
      assert.ok(remainingMs > 0 && remainingMs <= 30_000, `${remainingMs} ms`)
      assert.equal((await new Client(service.port).ending()).how, 'refused')
      await holder.send('a\r\n')
      assert.equal((await holder.ending()).text, 'a\r\n')
      const { queued, inHand } = await phaseIs(service, 'waiting-for-workers')
      assert.deepEqual([queued, inHand], [0, 1])
      await waiting.send('b\r\n')
      assert.equal((await waiting.ending()).text, 'b\r\n')
    })

    await t.test('workers that do not end are made to by another USR1', async () => {
      await phaseIs(service, 'ending')
      service.signal('SIGUSR1')
      await service.sandbox.assertNothingLeft()
      assert.deepEqual(wayOf(service).slice(-3), ['ending', 'cutting', 'ended'])
    })
  })

  test('the first cause wins; a USR1 gives up the queue, but not who is in hand; the next one does', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    const served = await held(service)
    const cut = await Client.connect(service.port)
    await counted(service, { active: 2 })
    const waiting = await Client.connect(service.port)
    await counted(service, { queued: 1 })
    const stopped = stop(service)
    await phaseIs(service, 'serving-queue')
    service.signal('SIGUSR1')
    assert.deepEqual(await waiting.ending(), { how: 'end', text: '' })
    const { cause, inHand } = await phaseIs(service, 'waiting-for-workers')
    assert.deepEqual([cause, inHand], ['a stop command', 2])
    await served.send('a\r\n')
    assert.deepEqual(await served.ending(), { how: 'end', text: 'a\r\n' })
    await counted(service, { active: 1 })
    service.signal('SIGUSR1')
    assert.equal((await cut.ending()).text, '')
    assert.deepEqual(await stopped, { dropped: 2 })
    await service.sandbox.assertNothingLeft()
    assert.doesNotMatch(service.log(), /drain took too long/)
  })

  test('an announcement ends by itself, and the deadline counts from there', async (t) => {
    const config = { drain: { announceMs: 200, timeoutMs: 200 } }
    const service = await startService(t, { config })
    const { holder, waiting } = await occupy(service)
    service.signal('SIGUSR1')
    assert.equal((await holder.ending()).text, '')
    assert.equal((await waiting.ending()).text, '')
    await service.sandbox.logged(/"dropped":2,.*The drain took too long/)
    await service.sandbox.assertNothingLeft()
    assert.deepEqual(wayOf(service), ['announcing', 'closing', 'serving-queue', 'cutting', 'ended'])
  })

  test('workers that do not end by themselves are made to when time is up', async (t) => {
    const config = { drain: { timeoutMs: 300 }, connection: { lingerMs: 0 } }
    const service = await startService(t, { config, app: endless })
    service.signal('SIGUSR1')
    await service.sandbox.assertNothingLeft()
    assert.deepEqual(wayOf(service).slice(-3), ['ending', 'cutting', 'ended'])
    assert.doesNotMatch(service.log(), /dropping the remaining/)
  })

  test('TERM ends an announcement at once, and cuts who is in hand', async (t) => {
    const service = await startService(t, { config: { drain: { announceMs } } })
    const holder = await held(service)
    service.signal('SIGUSR1')
    await phaseIs(service, 'announcing')
    service.signal('SIGTERM')
    assert.equal((await holder.ending()).text, '')
    await waitFor('the end', () => !isAlive(service.pid))
    await service.sandbox.assertNothingLeft()
    assert.match(service.log(), /"to":"cutting","cause":"SIGTERM"/)
  })

  test('in the foreground the second INT acts as TERM', async (t) => {
    const service = await runService(t)
    const holder = await held(service)
    service.child.kill('SIGINT')
    await phaseIs(service, 'waiting-for-workers')
    service.child.kill('SIGINT')
    assert.equal((await holder.ending()).text, '')
    assert.equal((await service.ended).status, 0)
  })

  test('restart and stop show how it gets on, beside their result', async (t) => {
    const service = await startService(t)
    await stoppedBy('restart', service)
    const { pid, listen } = await service.status()
    await stoppedBy('stop', serviceAt(service.sandbox, pid, listen.port))
  })
})
