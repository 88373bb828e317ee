import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { primaryModule } from '../../src/launch/launch.ts'
import { ask } from '../helpers/client.ts'
import { stop, tryUpgrade } from '../helpers/commands.ts'
import {
  barrage,
  childrenOf,
  listeningPorts,
  nextChildOf,
  signalWhileNodeStarts,
  untilSignalled,
} from '../helpers/early.ts'
import { quietPort } from '../helpers/free-port.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { signalTo } from '../helpers/processes.ts'
import { type CommandResult, resultOf, Sandbox } from '../helpers/sandbox.ts'
import { type Service, startIn, startService, workerPids } from '../helpers/service.ts'
import { statusIn } from '../helpers/service-in.ts'
import { failing } from '../helpers/upgrade.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** What Node says of a debugger that a signal opens, and a shell or pm2 of a process that a signal ends. */
const allow = [...failing.allow, /Debugger listening|For help, see|Warning: |Use `node/]
/** A debugger finds a port, whatever else has one open on this machine. */
const environment = { NODE_OPTIONS: '--inspect-port=0' }

/** The service as a program of the foreground. */
function run(sandbox: Sandbox): ChildProcess {
  return sandbox.spawn(['run'], { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Its primary as a launcher starts it, which hears of the start through descriptor 3. */
function runDaemon({ environment: env }: Sandbox): ChildProcess {
  return spawn(process.execPath, [primaryModule, '--daemon'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
}

/** Kills the worker of a service, disturbs the next one while it starts, and waits until it serves without a debugger. */
async function replaceWorker(
  service: Service,
  disturb: (pid: number) => Promise<void>,
): Promise<void> {
  const before = childrenOf(service.pid)
  const [first = 0] = await workerPids(service)
  signalTo(first, 'SIGKILL')
  await disturb(await nextChildOf(service.pid, before))
  await waitFor('a worker', async () => (await service.status()).workers[0]?.state === 'idle')
  const [pid = 0] = await workerPids(service)
  assert.deepEqual(listeningPorts(pid), [])
}

const pidOf = ({ pid }: ChildProcess) => pid ?? 0
const ended = (child: ChildProcess) => within('the end of the process', resultOf(child))

/** The end of a process that was signalled while it started; others are ended. */
async function endOf(start: () => ChildProcess): Promise<CommandResult> {
  let end: Promise<CommandResult> | undefined
  await untilSignalled(async () => {
    const child = start()
    end = ended(child)
    const isSignalled = await signalWhileNodeStarts(pidOf(child))
    if (!isSignalled) {
      child.kill('SIGTERM')
      await end
    }
    return isSignalled
  })
  return end ?? assert.fail()
}

describe('a SIGUSR1 before there is a listener for it opens no debugger that stays', {
  concurrency: 2,
}, () => {
  function sandboxOf(t: TestContext): Sandbox {
    return new Sandbox(t, { allow, environment })
  }

  test('it ends a start in the foreground', async (t) => {
    const sandbox = sandboxOf(t)
    const { status, signal, stdout } = await endOf(() => run(sandbox))
    assert.deepEqual({ status, signal }, { status: 0, signal: null })
    assert.match(stdout, /told to stop before it served/)
    await sandbox.assertNothingLeft()
  })

  test('it ends the start of a daemon, and the launcher is told', async (t) => {
    const sandbox = sandboxOf(t)
    let report = Promise.resolve('')
    const { status } = await endOf(() => {
      const child = runDaemon(sandbox)
      report = text(child.stdio[3] as Readable)
      return child
    })
    assert.equal(status, 0)
    assert.match(await report, /"code":"STOPPING".*told to stop before it served/)
    await sandbox.assertNothingLeft()
  })

  test('it ends any other command, as a signal ends a program', async (t) => {
    // One that goes on: another may have done its work before it looks for the debugger.
    const sandbox = sandboxOf(t)
    const top = () => sandbox.spawn(['top'], { stdio: ['ignore', 'pipe', 'pipe'] })
    assert.equal((await endOf(top)).signal, 'SIGUSR1')
  })

  test('a worker goes on, and a successor does not', async (t) => {
    // What ends a worker by a signal at each millisecond is told in many ways.
    const service = await startService(t, { allow: [/./], environment })
    const isService = async () => {
      const { pid } = await service.status()
      assert.deepEqual(listeningPorts(pid), [service.port])
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    }
    await t.test('worker', async () => {
      await untilSignalled(async () => {
        let isSignalled = false
        await replaceWorker(service, async (pid) => {
          isSignalled = await signalWhileNodeStarts(pid)
        })
        return isSignalled
      })
      await isService()
    })
    await t.test('worker, whenever it comes', async () => {
      for (const fromMs of [0, 60]) {
        await replaceWorker(service, async (next) => {
          await delay(fromMs)
          await barrage(next, 'SIGUSR1')
        })
        await isService()
      }
    })
    await t.test('successor', async () => {
      await untilSignalled(async () => {
        const { pid } = await service.status()
        const before = childrenOf(pid)
        const upgraded = tryUpgrade(service)
        const isSignalled = await signalWhileNodeStarts(await nextChildOf(pid, before))
        const { outcome, reason } = await upgraded
        assert.equal(outcome, isSignalled ? 'failed' : 'done')
        if (!isSignalled) return false
        assert.match(reason ?? '', /The service is stopping|\(SIGUSR1\)/)
        await waitFor('its end', () => childrenOf(pid).length === before.length)
        return true
      })
      await isService()
    })
  })

  test('a bridge forwards it when there is a primary', async (t) => {
    const pm2 = new Pm2(t, { allow: [/./] })
    // node:cluster gives what the daemon starts the next port, and takes no 0. Where that is taken, Node loses the signal.
    pm2.environment = { NODE_OPTIONS: `--inspect-port=${(await quietPort()) - 1}` }
    await pm2.do('ping')
    await untilSignalled(async () => {
      const started = pm2.run('start', pm2.ecosystemFile)
      // pm2's daemon has other children, too; and this one soon changes its name.
      const bridge = await nextChildOf(pm2.daemonPid ?? 0, [], /ProcessContainer|bridge\.cjs/)
      const isSignalled = await signalWhileNodeStarts(bridge)
      await started
      if (!isSignalled) await pm2.do('delete', 'all')
      return isSignalled
    })
    await pm2.logged(/"signal":"SIGUSR1"|was stopped while it was starting/)
    await pm2.isListed('stopped')
    assert.equal(existsSync(pm2.sandbox.socketFile), false)
  })
})

describe('signals from the first moment on', { concurrency: 2 }, () => {
  for (const [name, start] of [
    ['run', run],
    ['the primary', runDaemon],
  ] as const) {
    test(`USR1 each millisecond ends ${name}`, async (t) => {
      const sandbox = new Sandbox(t, { allow: [/./], environment })
      for (const fromMs of [0, 80]) {
        const child = start(sandbox)
        const end = ended(child)
        await delay(fromMs)
        await barrage(pidOf(child), 'SIGUSR1')
        const { status, signal } = await end
        assert.ok(status === 0 || signal === 'SIGUSR1', `${status} ${signal}`)
        await sandbox.assertNothingLeft()
      }
    })
  }

  /** Starts a daemon by the command line, and sends its first process signals some milliseconds after its birth. */
  async function startAndSignal(
    sandbox: Sandbox,
    signals: readonly NodeJS.Signals[],
    afterMs: number,
  ): Promise<CommandResult> {
    const command = sandbox.spawn(['start'], { stdio: ['ignore', 'pipe', 'pipe'] })
    const end = ended(command)
    const daemon = await nextChildOf(await nextChildOf(pidOf(command)))
    await delay(afterMs)
    for (const signal of signals) signalTo(daemon, signal)
    return end
  }

  test('SIGHUP and SIGUSR2 to a daemon that starts do not keep it from serving', async (t) => {
    const sandbox = new Sandbox(t, { allow: [/./] })
    for (const [afterMs, ...signals] of [
      [0, 'SIGUSR2'],
      [0, 'SIGHUP'],
      [90, 'SIGHUP', 'SIGUSR2'],
    ] as const) {
      const { status, stderr } = await startAndSignal(sandbox, signals, afterMs)
      assert.equal(status, 0, stderr)
      const { listen } = await statusIn(sandbox)
      assert.equal((await ask(listen.port, 'a\r\n')).text, 'a\r\n')
      await stop(sandbox)
      await sandbox.assertNothingLeft()
    }
  })

  for (const [signal, afterMs] of [
    ['SIGUSR1', 90],
    ['SIGTERM', 0],
    ['SIGTERM', 90],
    ['SIGKILL', 90],
  ] as const) {
    test(`${signal} after ${afterMs} ms ends a daemon that starts, and the command says so`, async (t) => {
      const sandbox = new Sandbox(t, { allow: [/./] })
      const { status, stderr } = await startAndSignal(sandbox, [signal], afterMs)
      await sandbox.allEnded()
      // It served before the signal came.
      if (status === 0) return
      assert.equal(status, 1)
      assert.match(
        stderr,
        new RegExp(`${signal} ended the primary before it served|told to stop before`),
      )
    })
  }

  test('a successor whose predecessor dies at any moment does not stay', async (t) => {
    const sandbox = new Sandbox(t, { allow: [/./] })
    for (const afterMs of [50, 200]) {
      const service = await startIn(sandbox)
      const { pid } = service
      const before = childrenOf(pid)
      service.signal('SIGUSR2')
      await nextChildOf(pid, before)
      await delay(afterMs)
      service.signal('SIGKILL')
      const isDecided = async () => {
        if (sandbox.processes().length === 0) return true
        const status = await statusIn(sandbox).catch(() => undefined)
        return status?.state === 'serving' && status.pid !== pid
      }
      await waitFor('the end, or a successor that serves', isDecided)
      if (sandbox.processes().length > 0) await stop(sandbox)
      await sandbox.allEnded()
    }
    // What the last one may have left is cleared by the next start.
    await startIn(sandbox)
  })
})
