import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ControlClient } from '../../src/control/control-client.ts'
import { ask } from '../helpers/client.ts'
import { isAlive } from '../helpers/processes.ts'
import type { Sandbox } from '../helpers/sandbox.ts'
import { type Service, startService } from '../helpers/service.ts'
import { held, pidIn, upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Besides the socket of the workers, which only the native hand-off has. */
const restored = /"kind":"file-restored"(?!.*"socket of the workers")/g
const lost = /"kind":"file-lost"/g
const countOf = (log: string, pattern: RegExp) => log.match(pattern)?.length ?? 0

const isFile = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false

/** Waits until people find the service again, each of them in his way. */
async function found(service: Service): Promise<void> {
  const { sandbox, pid } = service
  await waitFor('the PID file', () => isFile(sandbox.pidFile) && pidIn(sandbox) === pid)
  await waitFor(
    'the control socket',
    async () => (await service.status().catch(() => {}))?.pid === pid,
  )
}

/** At once, as no walk through it could be while it is being put back. */
function removeRunDir({ runDir }: Sandbox): void {
  renameSync(runDir, `${runDir}.gone`)
  rmSync(`${runDir}.gone`, { recursive: true })
}

/** What can happen to the files of a service, and how many of them are to be put back. */
const losses: Readonly<Record<string, { take: (sandbox: Sandbox) => void; count: number }>> = {
  'the control socket is removed': {
    take: ({ socketFile }) => rmSync(socketFile),
    count: 1,
  },
  'the PID file is removed': {
    take: ({ pidFile }) => rmSync(pidFile),
    count: 1,
  },
  'the PID file names another process': {
    take: ({ pidFile }) => writeFileSync(pidFile, '1\n'),
    count: 1,
  },
  'the lock file is removed': {
    take: ({ runDir }) => rmSync(join(runDir, 'helloserver.lock')),
    count: 1,
  },
  'both are replaced by other files': {
    take: ({ socketFile, pidFile }) => {
      rmSync(socketFile)
      writeFileSync(socketFile, 'no socket')
      rmSync(pidFile)
      symlinkSync('/proc/1/stat', pidFile)
    },
    count: 2,
  },
  'both are replaced by folders': {
    take: ({ socketFile, pidFile }) => {
      for (const path of [socketFile, pidFile]) {
        rmSync(path)
        mkdirSync(path)
      }
    },
    count: 2,
  },
  'the run directory is removed': {
    take: removeRunDir,
    count: 4,
  },
  'the run directory is renamed': {
    take: ({ runDir }) => renameSync(runDir, `${runDir}.away`),
    count: 4,
  },
  'the run directory is replaced by an empty one': {
    take: (sandbox) => {
      removeRunDir(sandbox)
      mkdirSync(sandbox.runDir, { mode: 0o700 })
    },
    count: 4,
  },
}

describe('files of a service that others take away', { concurrency: 2 }, () => {
  test('are put back, and whoever was connected stays connected', async (t) => {
    const service = await startService(t)
    const { sandbox } = service
    const client = await ControlClient.connect(sandbox.socketFile)
    t.after(() => client.close())
    for (const [what, { take, count }] of Object.entries(losses)) {
      await t.test(what, async () => {
        const before = countOf(sandbox.log(), restored)
        take(sandbox)
        await found(service)
        // A run directory takes the log with it.
        const expected = count === 4 ? count : before + count
        await waitFor('the log', () => countOf(sandbox.log(), restored) === expected)
        assert.equal((await client.request('status', {})).pid, service.pid)
        assert.equal(statSync(sandbox.runDir).mode & 0o777, 0o700)
        assert.equal(lstatSync(sandbox.socketFile).mode & 0o077, 0)
        assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
      })
    }
    // Two services in one directory would be the end of both.
    assert.equal((await service.cli('start')).status, 4)
    const { events } = await service.status()
    assert.ok(
      events.some(({ text }) => text.startsWith('The control socket was missing; restored it')),
    )
    await service.stop()
    await sandbox.assertNothingLeft()
  })

  test('are put back by HUP, which is a reload all the same', async (t) => {
    const service = await startService(t)
    removeRunDir(service.sandbox)
    service.signal('SIGHUP')
    await service.sandbox.logged(/Reloaded in/)
    assert.match(service.log(), /The run directory was missing; restored it/)
    await found(service)
  })

  test('are not put where somebody else has put a folder, which is said once', async (t) => {
    const service = await startService(t, { allow: [/"kind":"file-lost"/] })
    const { sandbox } = service
    rmSync(sandbox.socketFile)
    mkdirSync(join(sandbox.socketFile, 'precious'), { recursive: true })
    await sandbox.logged(
      /The control socket at .* was replaced and cannot be restored yet: .*ENOTEMPTY/,
    )
    for (let times = 0; times < 3; times += 1) {
      service.signal('SIGCONT')
      await waitFor('the signal', () => countOf(sandbox.log(), /Caught SIGCONT/g) > times)
    }
    assert.equal(countOf(sandbox.log(), lost), 1)
    // In one step: the service puts its socket in place of a folder that is empty for a moment.
    renameSync(sandbox.socketFile, `${sandbox.socketFile}.away`)
    service.signal('SIGCONT')
    await found(service)
  })

  test('are not put into a run directory that others can write to', async (t) => {
    const service = await startService(t, { allow: [/"kind":"file-lost"/] })
    const { sandbox } = service
    renameSync(sandbox.runDir, `${sandbox.runDir}.away`)
    mkdirSync(sandbox.runDir)
    chmodSync(sandbox.runDir, 0o777)
    const away = join(`${sandbox.runDir}.away`, 'helloserver.log')
    await waitFor('the reason', () => /can be written by others/.test(readFileSync(away, 'utf8')))
    assert.equal(existsSync(sandbox.socketFile), false)
    assert.equal(existsSync(sandbox.pidFile), false)
    rmSync(sandbox.runDir, { recursive: true })
    service.signal('SIGCONT')
    await found(service)
  })

  test('are left to the successor in an upgrade, and kept by that one', async (t) => {
    const service = await startService(t)
    const { sandbox } = service
    const holder = await held(service)
    const { pid } = await upgrade(service)
    const { ino } = lstatSync(sandbox.socketFile)
    // The predecessor looks as often as the successor does.
    rmSync(sandbox.logFile)
    const noticed = /The log was (missing|replaced); continuing/g
    await waitFor('both in the new log', () => countOf(sandbox.log(), noticed) === 2)
    service.signal('SIGCONT')
    await sandbox.logged(/Caught SIGCONT/)
    assert.deepEqual([pidIn(sandbox), lstatSync(sandbox.socketFile).ino], [pid, ino])
    removeRunDir(sandbox)
    await waitFor('the PID file', () => existsSync(sandbox.pidFile) && pidIn(sandbox) === pid)
    assert.equal((await service.status()).pid, pid)
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    assert.equal(pidIn(sandbox), pid)
  })
})
