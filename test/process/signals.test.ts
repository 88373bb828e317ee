import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { describe, test } from 'node:test'
import { signalTable } from '../../src/lifecycle/signal-table.ts'
import { ask, Client } from '../helpers/client.ts'
import { isAlive } from '../helpers/processes.ts'
import { resultOf, Sandbox } from '../helpers/sandbox.ts'
import { counted, runService, startIn, startService, workerPids } from '../helpers/service.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

const fatal = ['SIGQUIT', 'SIGTRAP', 'SIGABRT', 'SIGSTKFLT', 'SIGPWR', 'SIGSYS'] as const
const ignored = [
  'SIGPIPE',
  'SIGALRM',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGURG',
  'SIGXCPU',
  'SIGXFSZ',
  'SIGVTALRM',
  'SIGPROF',
  'SIGIO',
  'SIGCHLD',
] as const
/** Left to the system: see the signals table. */
const faults = ['SIGILL', 'SIGBUS', 'SIGFPE', 'SIGSEGV'] as const

/** Gets ready when its test says so. */
const hesitant = `import { existsSync } from 'node:fs'
export default {
  async setup() {
    while (!existsSync(recordFile)) await new Promise((resolve) => setTimeout(resolve, 10))
  },
  async handle() {},
}`

describe('signals', { concurrency: 2 }, () => {
  test('every signal of the table has a test here', () => {
    const control = ['SIGHUP', 'SIGUSR1', 'SIGTERM', 'SIGINT', 'SIGCONT', 'SIGUSR2']
    const tested = [...control, ...fatal, ...ignored]
    assert.deepEqual(Object.keys(signalTable).toSorted(), tested.toSorted())
  })

  test('of a service that serves', async (t) => {
    const service = await startService(t)

    await t.test('ignored signals, and INT without a terminal, change nothing', async () => {
      const workers = await workerPids(service)
      const holder = await Client.connect(service.port)
      await counted(service, { active: 1 })
      for (const signal of [...ignored, 'SIGINT', 'SIGCONT'] as const) service.signal(signal)
      await service.sandbox.logged(/Caught SIGCONT/)
      await holder.send('a\r\n')
      assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
      const { state, generation } = await service.status()
      assert.deepEqual([state, generation], ['serving', 1])
      assert.deepEqual(await workerPids(service), workers)
    })

    await t.test('HUP replaces the workers', async () => {
      const before = await workerPids(service)
      service.signal('SIGHUP')
      await waitFor('the next generation', async () => (await service.status()).generation === 2)
      await waitFor('the end of the old one', () => !before.some(isAlive))
      assert.equal((await service.status()).lastReload?.outcome, 'done')
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    })

    await t.test('TERM drops every connection at once', async () => {
      const holder = await Client.connect(service.port)
      await counted(service, { active: 1 })
      const waiting = await Client.connect(service.port)
      await counted(service, { queued: 1 })
      service.signal('SIGTERM')
      assert.equal((await holder.ending()).text, '')
      assert.equal((await waiting.ending()).text, '')
      await waitFor('the end', () => !isAlive(service.pid))
      await service.sandbox.assertNothingLeft()
      assert.doesNotMatch(service.log(), /drain took too long/)
    })
  })

  test('USR1 serves what is queued and in hand, takes no more, and ends', async (t) => {
    const service = await startService(t)
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    const waiting = await Client.connect(service.port)
    await waiting.send('b\r\n')
    await counted(service, { queued: 1 })
    service.signal('SIGUSR1')
    await waitFor(
      'the closed port',
      async () => (await service.status()).drain?.phase === 'serving-queue',
    )
    assert.equal((await new Client(service.port).ending()).how, 'refused')
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
    assert.deepEqual(await waiting.ending(), { how: 'end', text: 'b\r\n' })
    await waitFor('the end', () => !isAlive(service.pid))
    await service.sandbox.assertNothingLeft()
  })

  test('TERM ends workers whose handler does not listen', async (t) => {
    const app = `export default { async handle(connection) {
      await connection.write('hi\\r\\n')
      for (;;);
    } }`
    const service = await startService(t, { app })
    const client = await Client.connect(service.port)
    await client.receives('hi\r\n')
    service.signal('SIGTERM')
    await client.ending()
    await service.sandbox.assertNothingLeft()
  })

  for (const signal of fatal) {
    test(`${signal} is logged by name, tidied up after, and told by the exit status`, async (t) => {
      const { sandbox, child, ended } = await runService(t, { allow: [/"level":"fatal"/] })
      child.kill(signal)
      const { status, stdout } = await ended
      assert.equal(status, 128 + constants.signals[signal])
      assert.match(stdout, new RegExp(`"level":"fatal".*Ending on ${signal}`))
      await sandbox.assertNothingLeft()
    })
  }

  test('a fault ends the process at once, and the next start clears up', async (t) => {
    let service = await startService(t)
    const { sandbox } = service
    for (const signal of faults) {
      await t.test(signal, async () => {
        const { pid } = service
        service.signal(signal)
        await sandbox.allEnded()
        assert.equal(existsSync(sandbox.pidFile), true)
        service = await startIn(sandbox)
        assert.match(sandbox.log(), new RegExp(`Cleared the files that process ${pid} left behind`))
        assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
      })
    }
  })

  for (const signal of ['SIGUSR1', 'SIGTERM', 'SIGINT'] as const) {
    test(`${signal} ends a service that is not ready yet`, async (t) => {
      const sandbox = new Sandbox(t, { app: hesitant })
      const child = sandbox.spawn(['run'], { stdio: ['ignore', 'pipe', 'pipe'] })
      const ended = resultOf(child)
      await waitFor('the worker', () => sandbox.processes().length === 2)
      child.kill(signal)
      const { signal: killedBy } = await within('the end of the service', ended)
      assert.equal(killedBy, null)
      await sandbox.assertNothingLeft()
    })
  }

  test('HUP has its turn after a start that is under way', async (t) => {
    const config = { logLevel: 'debug' }
    const sandbox = new Sandbox(t, { config, app: hesitant })
    const starting = sandbox.cli('start')
    const pid = await waitFor('the worker', () => primaryOf(sandbox))
    process.kill(pid, 'SIGHUP')
    await sandbox.logged(/Caught SIGHUP/)
    sandbox.mark()
    assert.equal((await starting).status, 0)
    await sandbox.logged(/"kind":"reload-done"/)
  })
})

/** The primary's PID while it has none in its file yet: what logs first. */
function primaryOf(sandbox: Sandbox): number | undefined {
  const pid = /"slot":1,.*"to":"starting"/.test(sandbox.log())
    ? /"role":"primary","pid":(\d+)/.exec(sandbox.log())?.[1]
    : undefined
  return pid === undefined ? undefined : Number(pid)
}
