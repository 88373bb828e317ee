import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ControlClient } from '../../src/control/client.ts'
import type { ReloadResult, Status } from '../../src/status.ts'
import { ask, Client } from '../helpers/client.ts'
import { Load } from '../helpers/load.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import type { CommandResult, Sandbox } from '../helpers/sandbox.ts'
import { counted, runService, type Service, startIn, startService } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const failing = { allow: [/Reload failed/, /Killing a worker/, /Cannot take the service over/] }

/** Never gets ready once its test has said so. */
const hanging = `import { existsSync } from 'node:fs'
export default {
  async setup() {
    if (existsSync(recordFile)) await new Promise((resolve) => setTimeout(resolve, 1e9))
  },
  async handle(connection) {
    await connection.write((await connection.readLine()) ?? '')
  },
}`

/** Does not get ready while its mark is there. */
const hesitant = `import { existsSync } from 'node:fs'
export default {
  async setup() {
    while (existsSync(recordFile)) await new Promise((resolve) => setTimeout(resolve, 10))
  },
  async handle(connection) {
    await connection.write((await connection.readLine()) ?? '')
  },
}`

/** Writes down who was served, in the order of service. */
const recorder = `import { appendFileSync } from 'node:fs'
export default {
  async handle(connection) {
    const line = await connection.readLine()
    appendFileSync(recordFile, connection.id + ' ' + line.toString().trim() + '\\n')
    await connection.write(line)
  },
}`

async function upgrade(service: Service): Promise<Status> {
  const { status, stderr } = await service.cli('upgrade')
  assert.equal(status, 0, stderr)
  return service.status()
}

/** Asks for an upgrade to a program that the command line would not name. */
async function upgradeTo(sandbox: Sandbox, program: string): Promise<ReloadResult> {
  const client = await ControlClient.connect(sandbox.socketFile)
  try {
    return await client.request('upgrade', { program })
  } finally {
    client.close()
  }
}

/** The process that is to take over, and that was not there `before`. */
function successorOf({ sandbox }: Service, before: readonly number[]): Promise<number> {
  return waitFor('the successor', () =>
    sandbox
      .processes()
      .filter((pid) => !before.includes(pid))
      .find((pid) => commandOf(pid).includes('--successor')),
  )
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    // It has just ended.
    return ''
  }
}

const pidIn = ({ pidFile }: Sandbox) => Number(readFileSync(pidFile, 'utf8'))

/** A client that a worker of the first primary has in hand, and which has said nothing yet. */
async function held(service: Service): Promise<Client> {
  const client = await Client.connect(service.port)
  await counted(service, { active: 1 })
  return client
}

describe('a hot upgrade', { concurrency: 3 }, () => {
  test('under load loses nothing, and the counters go on', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    const load = new Load(service.port, 12)
    let pid = service.pid
    for (const generation of [2, 3, 4]) {
      const askedBefore = load.asked
      const status = await upgrade(service)
      assert.notEqual(status.pid, pid)
      assert.equal(status.generation, generation)
      assert.equal(pidIn(service.sandbox), status.pid)
      assert.equal(status.lastReload?.outcome, 'done')
      const previous = pid
      await waitFor('the end of the predecessor', () => !isAlive(previous))
      await waitFor('some load', () => load.asked > askedBefore + 30)
      pid = status.pid
    }
    const { asked, failures } = await load.stop()
    assert.deepEqual(failures, [])
    await counted(service, { accepted: asked, served: asked, failed: 0, active: 0, queued: 0 })
  })

  test('USR2 is one, too, and one that is stopped afterwards leaves nothing', async (t) => {
    const service = await startService(t)
    service.signal('SIGUSR2')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    assert.equal((await service.cli('stop')).status, 0)
    await service.sandbox.assertNothingLeft()
  })

  test('passes the PID lock on: nobody else can start, before, between and after', async (t) => {
    const service = await startService(t)
    const starts: Promise<CommandResult>[] = []
    const upgraded = upgrade(service)
    for (let count = 0; count < 5; count += 1) starts.push(service.cli('start'))
    const { pid } = await upgraded
    for (const { status, stderr } of await Promise.all(starts)) {
      assert.equal(status, 4)
      assert.match(stderr, /Already running as process \d+$/m)
    }
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    assert.match((await service.cli('start')).stderr, new RegExp(`process ${pid}\n`))
  })

  test('the predecessor finishes what it has in hand, and who waits goes to the successor', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    const waiting = await Client.connect(service.port)
    await waiting.send('b\r\n')
    await counted(service, { queued: 1 })
    await upgrade(service)
    assert.deepEqual(await waiting.ending(), { how: 'end', text: 'b\r\n' })
    await counted(service, { accepted: 2, served: 1, active: 1, queued: 0 })
    assert.ok(isAlive(service.pid))
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    await counted(service, { accepted: 2, served: 2, active: 0 })
  })

  test('those who wait keep their places and their numbers', async (t) => {
    const service = await startService(t, { app: recorder })
    await held(service)
    const waiting: Client[] = []
    for (const line of ['b', 'c', 'd']) {
      const client = await Client.connect(service.port)
      await client.send(`${line}\r\n`)
      waiting.push(client)
      await counted(service, { queued: waiting.length })
    }
    await upgrade(service)
    await Promise.all(waiting.map((client) => client.ending()))
    assert.equal(service.sandbox.record, '2 b\n3 c\n4 d\n')
  })

  test('a predecessor that is killed takes only what it had in hand', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    await upgrade(service)
    signalTo(service.pid, 'SIGKILL')
    // Its worker finishes first, without a primary.
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await counted(service, { accepted: 1, failed: 1, active: 0 })
    assert.equal((await ask(service.port, 'b\r\n')).text, 'b\r\n')
  })

  test('two upgrades in a row forget nobody whom the first primary still has in hand', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    const second = await upgrade(service)
    const third = await upgrade(service)
    await counted(service, { accepted: 1, active: 1 })
    assert.ok(isAlive(service.pid) && isAlive(second.pid))
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await waitFor('the end of both', () => !isAlive(service.pid) && !isAlive(second.pid))
    assert.equal((await counted(service, { served: 1, failed: 0, active: 0 })).pid, third.pid)
  })

  test('a stop waits for the predecessor too', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    await upgrade(service)
    const stopped = service.cli('stop')
    await waitFor('the drain', async () => (await service.status()).state === 'draining')
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    assert.equal((await stopped).status, 0)
    await service.sandbox.assertNothingLeft()
  })

  test('TERM ends every predecessor too', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    await upgrade(service)
    const { pid } = await upgrade(service)
    signalTo(pid, 'SIGTERM')
    assert.equal((await holder.ending()).text, '')
    await service.sandbox.assertNothingLeft()
  })

  test("what is asked for meanwhile is the successor's to do", async (t) => {
    const service = await startService(t, { app: hesitant })
    const before = service.sandbox.processes()
    service.sandbox.mark()
    const upgraded = service.cli('upgrade')
    await successorOf(service, before)
    service.sandbox.configure({ queue: { max: 7 } })
    service.signal('SIGHUP')
    const reloaded = service.cli('reload')
    await service.sandbox.logged(/Caught SIGHUP/)
    service.sandbox.unmark()
    assert.equal((await upgraded).status, 0)
    assert.equal((await reloaded).status, 0)
    await waitFor('the new configuration', async () => (await service.status()).queue.max === 7)
  })

  test('who asks the predecessor for what is not its to do is told', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    const client = await ControlClient.connect(service.sandbox.socketFile)
    t.after(() => client.close())
    await client.request('status', {})
    const { pid } = await upgrade(service)
    const told = { code: 'HANDED_OVER', message: `Process ${pid} is the service now` }
    await assert.rejects(client.request('stop', {}), told)
    await assert.rejects(client.request('reload', {}), told)
    await assert.rejects(client.request('scale', { workers: 2 }), told)
    service.signal('SIGUSR1')
    await waitFor('the drain over there', async () => (await service.status()).drain !== null)
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await service.sandbox.assertNothingLeft()
  })

  test('a successor that dies while it takes over who waits leaves nobody hanging', async (t) => {
    const service = await startService(t, { config: { workers: 1 } })
    const holder = await held(service)
    const waiting = Array.from({ length: 300 }, () => new Client(service.port))
    for (const client of waiting) await client.send('a\r\n')
    await counted(service, { queued: 300 })
    const upgraded = service.cli('upgrade')
    await service.sandbox.logged(/has taken over/)
    signalTo(pidIn(service.sandbox), 'SIGKILL')
    await Promise.all(waiting.map((client) => client.ending()))
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    await upgraded
    const next = await startIn(service.sandbox)
    assert.equal((await ask(next.port, 'b\r\n')).text, 'b\r\n')
  })

  test('another address in the configuration is bound by the successor', async (t) => {
    const service = await startService(t)
    service.sandbox.configure({ host: '127.0.0.2' })
    const { listen } = await upgrade(service)
    assert.equal(listen.host, '127.0.0.2')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    assert.equal((await new Client(service.port).ending()).how, 'refused')
  })

  test('a service in the foreground says that it cannot', async (t) => {
    const service = await runService(t)
    const { status, stderr } = await service.cli('upgrade')
    assert.equal(status, 1)
    assert.match(stderr, /in the foreground cannot be upgraded; reload it, or end it/)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  })
})

describe('an upgrade that fails changes nothing', { concurrency: 3 }, () => {
  /** Expects that an upgrade fails with these words, and that the old primary goes on as before. */
  async function refused(service: Service, result: ReloadResult, told: RegExp): Promise<void> {
    assert.equal(result.outcome, 'failed')
    assert.match(String(result.reason), told)
    const status = await service.status()
    assert.deepEqual([status.pid, status.state], [service.pid, 'serving'])
    assert.equal(status.lastReload?.outcome, 'failed')
    assert.equal(pidIn(service.sandbox), service.pid)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    const before = status.workers.flatMap(({ pid }) => (pid === null ? [] : [pid]))
    await waitFor('the old processes alone', () => {
      const now = service.sandbox.processes()
      return now.length === before.length + 1
    })
    assert.notEqual((await upgrade(service)).pid, service.pid)
  }

  test('the app does not load', async (t) => {
    const service = await startService(t, failing)
    service.sandbox.writeApp(`throw new Error('no such table')`)
    const { status, stderr } = await service.cli('upgrade')
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^helloserver: The upgrade failed and the old primary goes on serving: .*no such table/,
    )
    const { lastReload } = await service.status()
    assert.ok(lastReload !== null)
    service.sandbox.writeApp()
    await refused(service, lastReload, /no such table/)
  })

  test('the configuration is bad', async (t) => {
    const service = await startService(t, failing)
    service.sandbox.configure({ workers: 0 })
    const { stderr } = await service.cli('upgrade')
    assert.match(stderr, /workers is 0; it must be/)
    service.sandbox.configure()
    await refused(service, (await service.status()).lastReload as ReloadResult, /workers is 0/)
  })

  test('the program is not there', async (t) => {
    const service = await startService(t, { allow: [...failing.allow, /./] })
    await refused(service, await upgradeTo(service.sandbox, '/nowhere/primary.js'), /status 1/)
  })

  test('the program throws while it loads', async (t) => {
    const service = await startService(t, { allow: [...failing.allow, /./] })
    const program = new ProgramCopy(t)
    program.break('primary/primary.js', 'broken release')
    await refused(
      service,
      await upgradeTo(service.sandbox, program.primary),
      /The successor ended before it served \(status 1\); see /,
    )
  })

  test('the program speaks another protocol', async (t) => {
    const service = await startService(t, failing)
    const program = new ProgramCopy(t)
    program.edit('upgrade/messages.js', 'upgradeProtocol = 1', 'upgradeProtocol = 2')
    await refused(
      service,
      await upgradeTo(service.sandbox, program.primary),
      /speaks upgrade protocol 2, this one 1; use "helloserver restart"/,
    )
  })

  test('the successor dies when it has put itself where people look', async (t) => {
    const service = await startService(t, failing)
    const program = new ProgramCopy(t)
    const publish = 'service.publishControl();'
    program.edit('bin/succeed.js', publish, `${publish} process.kill(process.pid, 'SIGKILL');`)
    await refused(
      service,
      await upgradeTo(service.sandbox, program.primary),
      /The successor ended before it served \(SIGKILL\)/,
    )
  })

  test('the workers never get ready', async (t) => {
    const config = { reload: { readyTimeoutMs: 1_000 } }
    const service = await startService(t, { ...failing, app: hanging, config })
    service.sandbox.mark()
    const { stderr } = await service.cli('upgrade')
    assert.match(stderr, /not ready within 1000 ms/)
    const { lastReload } = await service.status()
    service.sandbox.writeApp()
    await refused(service, lastReload as ReloadResult, /not ready within 1000 ms/)
  })

  test('the successor is killed before it serves', async (t) => {
    const service = await startService(t, { ...failing, app: hanging })
    const before = service.sandbox.processes()
    service.sandbox.mark()
    const upgraded = service.cli('upgrade')
    const successor = await successorOf(service, before)
    await waitFor('its worker', () => service.sandbox.processes().length > before.length + 2)
    signalTo(successor, 'SIGKILL')
    assert.match((await upgraded).stderr, /ended before it served \(SIGKILL\)/)
    const { lastReload } = await service.status()
    service.sandbox.writeApp()
    await refused(service, lastReload as ReloadResult, /SIGKILL/)
  })
})

for (const signal of ['SIGTERM', 'SIGUSR1'] as const) {
  test(`${signal} to a successor that does not serve yet ends that one only`, async (t) => {
    const service = await startService(t, { ...failing, app: hesitant })
    const before = service.sandbox.processes()
    const holder = await held(service)
    service.sandbox.mark()
    const upgraded = service.cli('upgrade')
    const successor = await successorOf(service, before)
    await waitFor('its worker', () => service.sandbox.processes().length > before.length + 2)
    signalTo(successor, signal)
    assert.equal((await upgraded).status, 1)
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    const { state, pid } = await service.status()
    assert.deepEqual({ state, pid }, { state: 'serving', pid: service.pid })
    service.sandbox.unmark()
    assert.notEqual((await upgrade(service)).pid, service.pid)
  })
}

test('a stop while a successor gets ready ends that one, too', async (t) => {
  const service = await startService(t, { ...failing, app: hesitant })
  const before = service.sandbox.processes()
  service.sandbox.mark()
  const upgraded = service.cli('upgrade')
  await successorOf(service, before)
  assert.equal((await service.cli('stop')).status, 0)
  assert.equal((await upgraded).status, 1)
  await service.sandbox.assertNothingLeft()
})

test('a worker of another build than its primary is refused, with what to do', async (t) => {
  const service = await startService(t, failing)
  const program = new ProgramCopy(t)
  assert.equal((await upgradeTo(service.sandbox, program.primary)).outcome, 'done')
  program.edit('ipc/messages.js', 'workerProtocol = 1', 'workerProtocol = 2')
  const { status, stderr } = await service.cli('reload')
  assert.equal(status, 1)
  assert.match(
    stderr,
    /The worker on disk speaks protocol 2, this primary 1: use "helloserver upgrade"/,
  )
  assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  await upgrade(service)
})
