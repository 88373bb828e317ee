import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { environmentIn } from '../../src/config/environment.ts'
import { runFiles } from '../../src/config/run-dir.ts'
import { launch } from '../../src/launch/launch.ts'
import { ask, Client } from '../helpers/client.ts'
import { upgrade } from '../helpers/commands.ts'
import { withoutProc, works } from '../helpers/namespaces.ts'
import { nativeProcessTest } from '../helpers/native-process-test.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import { resultOf, type Sandbox } from '../helpers/sandbox.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { serviceAt, statusIn } from '../helpers/service-in.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** Answers each line, and ends unless it is "more"; hangs at "spin". */
const app = `export default {
  async handle(connection) {
    for await (const line of connection) {
      const text = line.toString().trim()
      if (text === 'spin') for (;;);
      await connection.write(line)
      if (text !== 'more') return
    }
  },
}`

/** Nobody but the test starts another primary, and workers do not end by themselves during the test. */
const byHand = { startAfterMs: 0, waitMs: 300_000 }
const slow = { workers: 1, rescue: byHand }
const native = { HELLOSERVER_NATIVE: 'on' }
/** For the next primary: that of a worker that hangs must not be faster than the test. */
const quick = {
  connection: { deadlineMs: 200, lingerMs: 100 },
  watchdog: { heartbeatMs: 100, hungAfterMs: 500 },
}

/** Configures the next primary, which has to listen where the workers of this one hold the socket. */
function configureNext({ sandbox, port }: Service, config: object): void {
  sandbox.configure({ host: '127.0.0.1', port, rescue: byHand, ...config })
}

async function kill(pid: number): Promise<void> {
  signalTo(pid, 'SIGKILL')
  await waitFor('the end of the primary', () => !isAlive(pid))
}

/** A client whose line hangs up the worker. */
async function hangUp(service: Service): Promise<void> {
  const client = await Client.connect(service.port)
  await client.send('spin\r\n')
  await counted(service, { active: 1 })
}

function launchWith(sandbox: Sandbox, changes: Readonly<Record<string, string>>) {
  const environment = environmentIn({ ...sandbox.environment, ...changes })
  return launch(runFiles('helloserver', environment), environment)
}

nativeProcessTest(
  'a next primary that lacks the native module ends the workers in good order, and serves',
  async (t) => {
    const program = new ProgramCopy(t)
    program.remove('native/helloserver.node')
    const config = { workers: 2, rescue: byHand }
    const service = await startService(t, { app, environment: native, config })
    const { sandbox, port } = service
    const holders = [await Client.connect(port), await Client.connect(port)]
    for (const holder of holders) {
      await holder.send('more\r\n')
      await holder.receives('more\r\n')
    }
    const queued = [await Client.connect(port), await Client.connect(port)]
    for (const client of queued) await client.send('queued\r\n')
    await counted(service, { queued: 2 })
    configureNext(service, { workers: 2 })
    await kill(service.pid)

    const stdio = ['ignore', 'pipe', 'pipe'] as const
    const env = { ...sandbox.environment, HELLOSERVER_NATIVE: undefined }
    const command = spawn(process.execPath, [program.cli, 'start'], { env, stdio: [...stdio] })
    const started = resultOf(command)
    const line = await sandbox.logged(/.*Waiting for the workers of a dead primary to end.*/)
    assert.match(line, /no native module: it is neither built nor shipped/)
    for (const holder of holders) {
      await holder.send('0\r\n')
      assert.equal((await holder.ending()).text, 'more\r\n0\r\n')
    }
    for (const client of queued) assert.equal((await client.ending()).text, 'queued\r\n')
    const { status, stderr } = await within('the start', started)
    assert.equal(status, 0, stderr)
    assert.equal((await statusIn(sandbox)).handOff, 'portable')
    assert.equal((await ask(port, 'a\r\n')).text, 'a\r\n')
    await serviceAt(sandbox, (await statusIn(sandbox)).pid, port).stop()
  },
)

nativeProcessTest(
  'a next primary with the portable hand-off kills a worker that hangs',
  async (t) => {
    const service = await startService(t, { app, environment: native, config: slow })
    await hangUp(service)
    const [worker = 0] = await workerPids(service)
    configureNext(service, quick)
    await kill(service.pid)
    await launchWith(service.sandbox, { HELLOSERVER_NATIVE: 'off' })
    assert.ok(!isAlive(worker), 'it lives on')
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  },
)

nativeProcessTest(
  'a worker that hangs is killed, by whatever path its primary had its run directory',
  async (t) => {
    const service = await startService(t, { app, environment: native, config: slow })
    const { sandbox, port } = service
    await hangUp(service)
    const [worker = 0] = await workerPids(service)
    const folder = dirname(sandbox.runDir)
    const links = mkdtempSync(join(tmpdir(), 'hst-link-'))
    t.after(() => rmSync(links, { recursive: true }))
    symlinkSync(folder, join(links, 'link'))
    const runDir = join(links, 'link', basename(sandbox.runDir))
    configureNext(service, quick)
    await kill(service.pid)
    const { pid } = await launchWith(sandbox, { HELLOSERVER_RUN_DIR: runDir })
    const isGone = !isAlive(worker)
    if (!isGone) signalTo(worker, 'SIGKILL')
    const { text } = await ask(port, 'a\r\n')
    await serviceAt(sandbox, pid, port).stop()
    assert.ok(isGone, 'it lived on')
    assert.equal(text, 'a\r\n')
  },
)

nativeProcessTest(
  'a primary that was upgraded, and still has a connection, is none of those that are ended',
  async (t) => {
    const service = await startService(t, { app, environment: native, config: slow })
    const { sandbox, port } = service
    const holder = await Client.connect(port)
    await holder.send('more\r\n')
    await holder.receives('more\r\n')
    await upgrade(sandbox)
    const { pid } = await service.status()
    const { watchdog } = quick
    configureNext(service, { watchdog, connection: { deadlineMs: 60_000, lingerMs: 100 } })
    await kill(pid)
    await launchWith(sandbox, { HELLOSERVER_NATIVE: 'off' })
    await holder.send('0\r\n')
    assert.equal((await holder.ending()).text, 'more\r\n0\r\n')
    assert.doesNotMatch(sandbox.log(), /Killing a worker/)
  },
)

nativeProcessTest(
  'workers are found by the socket that has replaced theirs, and those that hang are killed',
  async (t) => {
    const config = { ...slow, workers: 2 }
    const service = await startService(t, { app, environment: native, config })
    const { sandbox, port } = service
    const path = join(sandbox.runDir, 'helloserver.next')
    for (const time of [1, 2]) {
      rmSync(path)
      await waitFor(`the socket, the time ${time}`, () => existsSync(path))
    }
    await hangUp(service)
    const holder = await Client.connect(port)
    await holder.send('more\r\n')
    await holder.receives('more\r\n')
    const old = await workerPids(service)
    configureNext(service, { ...quick, connection: { deadlineMs: 1_000, lingerMs: 100 } })
    await kill(service.pid)
    await sandbox.start()
    await holder.send('0\r\n')
    assert.equal((await holder.ending()).text, 'more\r\n0\r\n')
    await waitFor('the end of the old workers', () => !old.some(isAlive))
    // The one that hung has failed.
    await counted(service, { accepted: 2, served: 1, failed: 1, active: 0 })
  },
)

nativeProcessTest('a primary that is killed is replaced without /proc, too', async (t) => {
  if (!works(withoutProc)) {
    t.skip('it takes root')
    return
  }
  const allow = [/ADDRESS_TAKEN/]
  const service = await startService(t, { app, environment: native, config: slow, allow })
  const { sandbox, port } = service
  configureNext(service, {})
  const cli = (command: string) => {
    const stdio = ['ignore', 'pipe', 'pipe'] as const
    const child = sandbox.spawnThrough(withoutProc, [command], { stdio: [...stdio] })
    return within(command, resultOf(child))
  }
  const holder = await Client.connect(port)
  await holder.send('more\r\n')
  await holder.receives('more\r\n')
  await kill(service.pid)
  for (const command of ['start', 'upgrade', 'reload']) {
    const { status, stderr } = await cli(command)
    assert.equal(status, 0, stderr)
  }
  await holder.send('0\r\n')
  assert.equal((await holder.ending()).text, 'more\r\n0\r\n')
  await counted(service, { accepted: 1, served: 1, active: 0 })
  assert.doesNotMatch(sandbox.log(), /file-lost/)

  await hangUp(service)
  const [worker = 0] = await workerPids(service)
  configureNext(service, quick)
  await kill((await service.status()).pid)
  const failed = await cli('start')
  assert.match(failed.stderr, /another program uses it/)
  assert.match(sandbox.log(), /The workers of a dead primary go on, and cannot be found/)
  signalTo(worker, 'SIGKILL')
})
