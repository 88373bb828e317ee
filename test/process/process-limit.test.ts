import assert from 'node:assert/strict'
import { chmodSync, constants, copyFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { canLimit, limit, ordinaryUid, tasksOf, unlimit } from '../helpers/limits.ts'
import { noOtherUser } from '../helpers/other-user.ts'
import { signalTo } from '../helpers/processes.ts'
import { resultOf, Sandbox } from '../helpers/sandbox.ts'
import { type Service, startService } from '../helpers/service.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** A way in which processes cannot be started: how it comes about, how it ends, and how it is told. */
interface Shortage {
  readonly told: RegExp
  begin(pid: number): void
  end(pid: number): void
}

const skip = canLimit ? ordinaryUid !== undefined && noOtherUser() : 'needs prlimit'

const options = { config: { workers: 2 }, allow: [/Reload failed/, /"stream":"stderr"/] }

test('with the limit of processes reached', { skip }, async (t) => {
  const uid = ordinaryUid ?? process.getuid?.() ?? 0
  const service = await startService(t, { ...options, uid })
  await endures(t, service, {
    told: /EAGAIN.*TasksMax/,
    begin: (pid) => limit(pid, 'nproc', 1),
    end: (pid) => unlimit(pid, 'nproc'),
  })
  // The runtime aborts without its first thread, waits for ever for each of the next, and aborts without a word when its
  // pool gets none.
  const named = 'its runtime got no threads.*TasksMax'
  for (const [signal, threads, what, reason] of [
    ['SIGHUP', 1, 'worker 1', named],
    ['SIGHUP', 2, 'worker 1', named],
    ['SIGHUP', 5, 'worker 1', named],
    ['SIGHUP', 8, 'worker 1', named],
    ['SIGUSR2', 3, 'the successor', named],
    ['SIGUSR2', 8, 'the successor', 'SIGABRT.*the limits of memory and processes'],
  ] as const) {
    await t.test(`${what} with ${threads} of its threads is no fault of the code`, async () => {
      const { at } = (await service.status()).lastReload ?? {}
      limit(service.pid, 'nproc', tasksOf(uid) + threads)
      service.signal(signal)
      const outcome = await waitFor('its outcome', async () => {
        const { lastReload } = await service.status()
        return lastReload === null || lastReload.at === at ? undefined : lastReload
      })
      unlimit(service.pid, 'nproc')
      assert.match(outcome.reason ?? '', new RegExp(`${what}.*${reason}`, 'i'))
    })
  }
  await t.test('and a start ends, whatever it lacks', async () => {
    const other = new Sandbox(t, { uid, allow: [/./] })
    const told: string[] = []
    // The command takes eleven, the shell and the primary one each.
    for (let threads = 12; !/primary: its runtime got no threads/.test(told.join()); threads += 1) {
      assert.ok(threads < 30, told.join(''))
      const wrapper = ['prlimit', `--nproc=${tasksOf(uid) + threads}`]
      const child = other.spawnThrough(wrapper, ['start'], { stdio: ['ignore', 'pipe', 'pipe'] })
      const { status, stderr } = await within('a start', resultOf(child))
      assert.equal(status, 1)
      told.push(stderr)
    }
  })
})

test('with a Node.js that is taken away', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hs-node-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const node = join(folder, 'node')
  copyFileSync(process.execPath, node, constants.COPYFILE_FICLONE)
  const service = await startService(t, { ...options, node })
  await endures(t, service, {
    told: /ENOENT.*the program does not exist/,
    begin: () => renameSync(node, `${node}-away`),
    end: () => renameSync(`${node}-away`, node),
  })
  await t.test('one that may not be run is told of, too', async () => {
    chmodSync(node, 0o644)
    const { stderr } = await service.cli('reload')
    assert.match(stderr, /EACCES.*may not execute/)
  })
})

/** Whatever is to be started meanwhile: the service goes on with what it has, says why, and recovers by itself. */
async function endures(t: TestContext, service: Service, shortage: Shortage): Promise<void> {
  const { pid, port } = service
  const isServed = async () => assert.equal((await ask(port, 'a\r\n')).text, 'a\r\n')
  const fails = async (...command: string[]) => {
    const { status, stderr } = await service.cli(...command)
    assert.equal(status, 1)
    assert.match(stderr, shortage.told)
    assert.equal((await service.status()).generation, 1)
    await isServed()
  }
  const [victim = 0] = await idlePids(service)
  shortage.begin(pid)
  try {
    await t.test('a worker that dies is missing, and is tried again', async () => {
      signalTo(victim, 'SIGKILL')
      const event = await waitFor('more than one attempt', async () => {
        const last = await lastEvent(service, 'worker-not-started')
        return last !== undefined && Number(last['failures']) > 3 ? last : undefined
      })
      assert.match(String(event['cause']), shortage.told)
      assert.equal((await service.status()).state, 'degraded')
      await isServed()
    })

    await t.test('a reload by signal fails for that reason', async () => {
      service.signal('SIGHUP')
      const { lastReload } = await waitFor('its outcome', async () => {
        const status = await service.status()
        return status.lastReload === null ? undefined : status
      })
      assert.match(lastReload?.reason ?? '', shortage.told)
      await isServed()
    })

    await t.test('so does a reload by command', () => fails('reload'))
    await t.test('so do more workers', () => fails('scale', '4'))
    await t.test('so does an upgrade', () => fails('upgrade'))
  } finally {
    shortage.end(pid)
  }
  await t.test('when that is over, the worker is there again by itself', async () => {
    await waitFor('both workers', async () => (await idlePids(service)).length === 2)
    assert.equal((await service.status()).pid, pid)
    await isServed()
  })
}

async function idlePids(service: Service): Promise<number[]> {
  const { workers } = await service.status()
  return workers.flatMap(({ pid, state }) => (pid === null || state !== 'idle' ? [] : [pid]))
}

async function lastEvent(service: Service, kind: string) {
  return (await service.status()).events.findLast((event) => event.kind === kind)
}
