import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { DrainStatus } from '../../src/status.ts'
import { ask, Client } from '../helpers/client.ts'
import { isAlive } from '../helpers/processes.ts'
import type { Settings } from '../helpers/sandbox.ts'
import { counted, runService, type Service, startService } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** A service with one connection in hand and one that waits. */
async function occupied(t: TestContext, drain: Settings = {}) {
  const service = await startService(t, { config: { drain } })
  const holder = await Client.connect(service.port)
  await counted(service, { active: 1 })
  const waiting = await Client.connect(service.port)
  await counted(service, { queued: 1 })
  return { service, holder, waiting }
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

/** Never ends by itself. */
const endless = `export default { async handle() {}, teardown: () => new Promise(() => {}) }`

/** So long that no test gets to see its end. */
const announceMs = 600_000

describe('drain', { concurrency: 2 }, () => {
  test('status shows its cause, its phase, what is left, and how long it may take', async (t) => {
    const { service, holder, waiting } = await occupied(t)
    assert.equal((await service.status()).drain, null)
    service.signal('SIGUSR1')
    const { remainingMs, ...drain } = await phaseIs(service, 'serving-queue')
    assert.deepEqual(drain, { cause: 'SIGUSR1', phase: 'serving-queue', queued: 1, inHand: 1 })
    assert.ok(remainingMs > 0 && remainingMs <= 30_000, `${remainingMs} ms`)
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    const { queued, inHand } = await phaseIs(service, 'waiting-for-workers')
    assert.deepEqual([queued, inHand], [0, 1])
    await waiting.send('b\r\n')
    assert.equal((await waiting.ending()).text, 'b\r\n')
    await service.sandbox.assertNothingLeft()
  })

  test('a second USR1 gives up the queue, a third what is in hand', async (t) => {
    const { service, holder, waiting } = await occupied(t)
    service.signal('SIGUSR1')
    await phaseIs(service, 'serving-queue')
    service.signal('SIGUSR1')
    assert.deepEqual(await waiting.ending(), { how: 'end', text: '' })
    const { cause, inHand } = await phaseIs(service, 'waiting-for-workers')
    assert.deepEqual([cause, inHand], ['SIGUSR1', 1])
    service.signal('SIGUSR1')
    assert.equal((await holder.ending()).text, '')
    await service.sandbox.assertNothingLeft()
    assert.doesNotMatch(service.log(), /drain took too long/)
  })

  test('who is in hand when the queue is given up is served all the same', async (t) => {
    const { service, holder, waiting } = await occupied(t)
    const stopped = service.cli('stop', '--json')
    await phaseIs(service, 'serving-queue')
    service.signal('SIGUSR1')
    await waiting.ending()
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
    assert.deepEqual(JSON.parse((await stopped).stdout), { dropped: 1 })
  })

  test('the first cause wins, and whoever asked is told what was dropped', async (t) => {
    const { service, holder } = await occupied(t)
    const stopped = service.cli('stop', '--json')
    await phaseIs(service, 'serving-queue')
    service.signal('SIGUSR1')
    assert.equal((await phaseIs(service, 'waiting-for-workers')).cause, 'a stop command')
    service.signal('SIGTERM')
    await holder.ending()
    assert.deepEqual(JSON.parse((await stopped).stdout), { dropped: 2 })
    assert.match(service.log(), /"to":"cutting","cause":"SIGTERM"/)
  })

  test('a drain that is announced still accepts, and serves whoever comes', async (t) => {
    const service = await startService(t, { config: { drain: { announceMs } } })
    service.signal('SIGUSR1')
    const { remainingMs } = await phaseIs(service, 'announcing')
    assert.ok(remainingMs > announceMs, `${remainingMs} ms`)
    assert.equal((await service.status()).state, 'draining')
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    assert.equal((await service.status()).drain?.phase, 'announcing')
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    service.signal('SIGUSR1')
    await phaseIs(service, 'waiting-for-workers')
    assert.equal((await new Client(service.port).ending()).how, 'refused')
    await holder.send('b\r\n')
    assert.equal((await holder.ending()).text, 'b\r\n')
    await service.sandbox.assertNothingLeft()
  })

  test('an announcement ends by itself, and the deadline counts from there', async (t) => {
    const { service, holder, waiting } = await occupied(t, { announceMs: 200, timeoutMs: 200 })
    service.signal('SIGUSR1')
    assert.equal((await holder.ending()).text, '')
    assert.equal((await waiting.ending()).text, '')
    await service.sandbox.assertNothingLeft()
    assert.deepEqual(wayOf(service), ['announcing', 'closing', 'serving-queue', 'cutting', 'ended'])
  })

  test('workers that do not end by themselves are made to when time is up', async (t) => {
    const config = { drain: { timeoutMs: 300 }, connection: { lingerMs: 0 } }
    const service = await startService(t, { config, app: endless })
    service.signal('SIGUSR1')
    await service.sandbox.assertNothingLeft()
    assert.deepEqual(wayOf(service).slice(-3), ['ending', 'cutting', 'ended'])
    assert.doesNotMatch(service.log(), /dropping what is left/)
  })

  test('workers that do not end by themselves are made to by another USR1', async (t) => {
    const service = await startService(t, { app: endless })
    service.signal('SIGUSR1')
    await phaseIs(service, 'ending')
    service.signal('SIGUSR1')
    await service.sandbox.assertNothingLeft()
    assert.deepEqual(wayOf(service).slice(-3), ['ending', 'cutting', 'ended'])
  })

  test('TERM ends an announcement at once', async (t) => {
    const service = await startService(t, { config: { drain: { announceMs } } })
    service.signal('SIGUSR1')
    await phaseIs(service, 'announcing')
    service.signal('SIGTERM')
    await waitFor('the end', () => !isAlive(service.pid))
    await service.sandbox.assertNothingLeft()
  })

  test('in the foreground the second INT acts as TERM', async (t) => {
    const service = await runService(t)
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    service.child.kill('SIGINT')
    await phaseIs(service, 'waiting-for-workers')
    service.child.kill('SIGINT')
    assert.equal((await holder.ending()).text, '')
    assert.equal((await service.ended).status, 0)
  })

  for (const command of ['stop', 'restart']) {
    test(`${command} shows how it gets on, beside its result`, async (t) => {
      const { service, holder, waiting } = await occupied(t)
      const child = service.sandbox.spawn([command, '--json'], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
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
        assert.match(line, /^helloserver: [a-z ]+: \d queued, \d in hand, \d+ s left$/)
      }
      assert.match(lines[0] ?? '', /: serving the queue: 1 queued, 1 in hand, /)
      assert.deepEqual(JSON.parse(result.split('\n')[0] ?? ''), { dropped: 0 })
    })
  }

  test('a stop that is quick says no more than that', async (t) => {
    const service = await startService(t)
    const { status, stdout, stderr } = await service.cli('stop')
    assert.deepEqual([status, stdout, stderr], [0, 'helloserver stopped\n', ''])
  })
})
