import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import type { Status } from '../../src/status.ts'
import type { Cleanup } from './cleanup.ts'
import { type CommandResult, resultOf, Sandbox, type SandboxOptions } from './sandbox.ts'
import { serviceAt, statusIn } from './service-in.ts'
import { waitFor, within } from './wait-for.ts'

/** A daemon that serves. */
export interface Service {
  readonly sandbox: Sandbox
  readonly port: number
  readonly pid: number
  status(): Promise<Status>
  cli(...args: string[]): Promise<CommandResult>
  /** Sends the primary a signal. */
  signal(signal: NodeJS.Signals): void
  log(): string
  /** Stops the service in good order and waits until it is gone. */
  stop(): Promise<void>
}

/** A service in the foreground. */
export interface Foreground extends Service {
  readonly child: ChildProcess
  /** How the process ended, and its output. */
  readonly ended: Promise<CommandResult>
}

/** Starts the compiled program as a daemon and waits until it serves. */
export async function startService(t: Cleanup, options?: SandboxOptions): Promise<Service> {
  return startIn(new Sandbox(t, options))
}

/** Starts a daemon in an existing sandbox, for instance once more. */
export async function startIn(sandbox: Sandbox): Promise<Service> {
  const started = await within('a start', sandbox.start())
  return serviceAt(sandbox, started.pid, 'port' in started ? started.port : 0)
}

/** Runs the service in the foreground and waits until it serves. */
export async function runService(t: Cleanup, options?: SandboxOptions): Promise<Foreground> {
  const sandbox = new Sandbox(t, options)
  const child = sandbox.spawn(['run'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = resultOf(child)
  const first = await waitFor('a service that serves', async () => {
    assert.equal(child.exitCode, null, 'The service ended at once')
    const status = await statusIn(sandbox).catch(() => undefined)
    return status?.state === 'serving' ? status : undefined
  })
  t.after(async () => {
    child.kill('SIGTERM')
    sandbox.assertQuiet((await within('the end of the service', ended)).stdout)
  })
  return { ...serviceAt(sandbox, first.pid, first.listen.port), child, ended }
}

/** Waits until the connection counts match those in `expected`. */
export async function counted(
  service: Service,
  expected: Partial<Status['connections']>,
): Promise<Status> {
  let last: Status['connections'] | undefined
  const matches = async () => {
    const status = await service.status()
    last = status.connections
    const differs = Object.entries(expected).some(
      ([key, count]) => status.connections[key as keyof Status['connections']] !== count,
    )
    return differs ? undefined : status
  }
  try {
    return await waitFor(`connections ${JSON.stringify(expected)}`, matches)
  } catch (error) {
    throw new Error(`The connections are ${JSON.stringify(last)}`, { cause: error })
  }
}

/** The PIDs of all workers that have a process. */
export async function workerPids(service: Service): Promise<number[]> {
  const { workers } = await service.status()
  return workers.flatMap(({ pid }) => (pid === null ? [] : [pid]))
}
