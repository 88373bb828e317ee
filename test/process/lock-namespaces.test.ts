import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { stop } from '../helpers/commands.ts'
import { container, endsWithItsTest, ownNetwork, withOwn, works } from '../helpers/namespaces.ts'
import { asUser } from '../helpers/other-user.ts'
import { run } from '../helpers/run.ts'
import { resultOf, Sandbox } from '../helpers/sandbox.ts'
import { type Service, startIn, startService } from '../helpers/service.ts'
import { statusIn } from '../helpers/service-in.ts'
import { held, upgrade } from '../helpers/upgrade.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

const skip = !works(container) && 'it takes root'
const stranger = 54_321

function through(wrapper: readonly string[], sandbox: Sandbox, command: string) {
  const stdio = ['ignore', 'pipe', 'pipe'] as const
  return resultOf(sandbox.spawnThrough(wrapper, [command], { stdio: [...stdio] }))
}

/** Runs a service in the foreground of a container while `during` lasts; its control socket answers here, too. */
async function whileContained(sandbox: Sandbox, during: () => Promise<void>): Promise<void> {
  const ended = through(container, sandbox, 'run')
  await waitFor('a service that serves', async () => {
    const status = await statusIn(sandbox).catch(() => undefined)
    return status?.state === 'serving'
  })
  try {
    await during()
  } finally {
    await stop(sandbox)
    await within('the end of the container', ended)
  }
}

/** A process of another user, or of this one, that has the name of the lock of releases up to 0.1. */
async function squat(t: TestContext, { runDir }: Sandbox, uid: number): Promise<number> {
  const name = createHash('sha256').update(join(runDir, 'helloserver.pid')).digest('hex')
  const script = `require('net').createServer().listen('\\0helloserver/${name}', () => console.log('there')); ${endsWithItsTest}`
  const [setpriv, ...identity] = asUser(uid)
  const args = [...identity, process.execPath, '-e', script]
  const child = spawn(setpriv, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child.pid ?? 0
}

describe('the lock', { concurrency: 2, skip }, () => {
  test('of a service that runs', async (t) => {
    const service = await startService(t, { config: { log: { syslog: 'udp://127.0.0.1:9' } } })
    const { sandbox } = service

    await t.test('excludes whoever shares the run directory, in another network too', async () => {
      const { status, stderr } = await through(ownNetwork, sandbox, 'start')
      assert.deepEqual([status, stderr], [4, `helloserver: ${alreadyRunning(service.pid)}\n`])
    })

    await t.test('does not exclude another one of its pod with a directory at the same path', () =>
      servesBesideAnother(service),
    )

    await t.test('keeps a cleaner of temporary files out of the run directory', () =>
      isLeftAlone(service),
    )

    await t.test('has no other holder an upgrade or two', async () => {
      for (let times = 0; times < 2; times += 1) {
        const { pid } = await upgrade(service)
        await waitFor('the end of the predecessor', () => holders(sandbox).length === 1)
        assert.deepEqual(holders(sandbox), [pid])
      }
      assert.ok(sandbox.processes().length >= 3, 'there was nobody to have it')
    })

    await t.test('is free once its primary is killed, although a worker is busy', async () => {
      const { pid } = await service.status()
      const client = await held(service)
      process.kill(pid, 'SIGKILL')
      const next = await startIn(sandbox)
      assert.notEqual(next.pid, pid)
      await client.send('a\r\n')
      assert.deepEqual(await client.ending(), { how: 'end', text: 'a\r\n' })
    })
  })

  test('of two containers with one run directory, the second is refused, and clears nothing', async (t) => {
    const sandbox = new Sandbox(t)
    await whileContained(sandbox, async () => {
      const { status, stderr } = await through(container, sandbox, 'run')
      assert.equal(status, 4)
      assert.match(
        stderr,
        /^helloserver: Already running: a process that is not visible here, such as one in another container \(there with the PID 1\), holds/,
      )
      assert.equal((await statusIn(sandbox)).state, 'serving')
      assert.ok(existsSync(sandbox.pidFile))
    })
  })

  test('another user who has the name of the old lock matters to nobody', async (t) => {
    const sandbox = new Sandbox(t)
    await squat(t, sandbox, stranger)
    const service = await startIn(sandbox)
    await assert.rejects(sandbox.start(), { message: alreadyRunning(service.pid) })
    const { pid } = await upgrade(service)
    await assert.rejects(sandbox.start(), { message: alreadyRunning(pid) })
  })

  test('a primary of release 0.1 excludes, by the old lock', async (t) => {
    const sandbox = new Sandbox(t)
    const pid = await squat(t, sandbox, process.getuid?.() ?? 0)
    await assert.rejects(sandbox.start(), {
      code: 'ALREADY_RUNNING',
      message: alreadyRunning(pid),
    })
  })

  test('where flock is missing, a start says which package has it', async (t) => {
    const sandbox = new Sandbox(t, { environment: { PATH: '/nowhere' } })
    const { status, stderr } = await sandbox.cli('start')
    assert.equal(status, 1)
    assert.match(stderr, /needs the program "flock".*install the package util-linux/)
  })
})

/** Runs another service where the run directory's path leads to another directory. */
async function servesBesideAnother({ sandbox, port }: Service): Promise<void> {
  const other = through(withOwn(sandbox.runDir), sandbox, 'run')
  const otherPid = await waitFor('the other one', () =>
    sandbox.processes().find((pid) => isItself(pid, sandbox)),
  )
  assert.equal((await ask(port, 'a\r\n')).text, 'a\r\n')
  process.kill(otherPid, 'SIGTERM')
  assert.equal((await within('its end', other)).status, 0)
  assert.equal((await sandbox.cli('status')).status, 0)
}

/** Cleans the folder that the run directory is in, as a system does with its temporary files. */
async function isLeftAlone(service: Service): Promise<void> {
  const { sandbox } = service
  const folder = dirname(sandbox.runDir)
  const other = join(folder, 'old', 'file')
  run('mkdir', [dirname(other)])
  writeFileSync(other, '')
  const rules = join(folder, 'tmpfiles.conf')
  writeFileSync(rules, `e ${folder} - - - 0\n`)
  run('systemd-tmpfiles', ['--clean', rules])
  assert.equal(existsSync(other), false, 'nothing was cleaned')
  assert.ok(existsSync(sandbox.socketFile))
  assert.equal((await service.status()).state, 'serving')
  // The folder is the sandbox's own, whose configuration and app the cleaner has taken.
  sandbox.configure({ log: { syslog: 'udp://127.0.0.1:9' } })
  sandbox.writeApp()
}

const alreadyRunning = (pid: number) => `Already running as process ${pid}`

/** Whether a process sees its own number in its PID file, and other files than this one. */
function isItself(pid: number, { pidFile }: Sandbox): boolean {
  try {
    const isApart = readFileSync(pidFile, 'utf8') !== `${pid}\n`
    return isApart && readFileSync(`/proc/${pid}/root${pidFile}`, 'utf8') === `${pid}\n`
  } catch {
    // It has no PID file yet.
    return false
  }
}

/** The sandbox's processes that have its lock file open. */
function holders(sandbox: Sandbox): number[] {
  const lockFile = join(sandbox.runDir, 'helloserver.lock')
  return sandbox
    .processes()
    .filter((pid) => readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(pid, fd) === lockFile))
}

function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    // It was closed at this moment.
    return ''
  }
}
