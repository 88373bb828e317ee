import { createRequire } from 'node:module'
import { basename, dirname } from 'node:path'
import { withDeadline } from '../async/with-deadline.ts'
import { HelloserverError } from '../errors.ts'

/** How long pm2 may take to answer, in milliseconds; a healthy one takes 30. */
const answerMs = 1_000

/** pm2's record of one of an app's processes: the part of `pm2 jlist` that shows what pm2 is doing. */
export interface AppRecord {
  /** 0 when no process is running. */
  readonly pid: number
  /** `online`, `stopping`, `launching`, … */
  readonly status: string
  /** When pm2 was last asked to start, restart or reset the app, in milliseconds since the epoch. */
  readonly createdAt: number
  /** Restarts since the app was started or reset. */
  readonly restarts: number
  /** The last delay before a restart, in milliseconds; undefined until the first restart of any kind. */
  readonly restartDelayMs: number | undefined
  /** Variables that the next process of the app is given besides the daemon's own environment. */
  readonly environment: Readonly<Record<string, string>>
  readonly folder: string | undefined
}

/** The parts of pm2 with which its own command line talks to the daemon. */
interface Pm2Modules {
  readonly axon: { socket(type: 'req'): AxonSocket }
  readonly rpc: { Client: new (socket: AxonSocket) => RpcClient }
  readonly constants: { readonly DAEMON_RPC_PORT: string }
}

interface AxonSocket {
  connect(path: string): void
  close(): void
  on(event: 'error', listener: (error: Error) => void): void
}

interface RpcClient {
  call(
    method: string,
    ...args: [...unknown[], (error: Error | null, answer: unknown) => void]
  ): void
}

/** One process in the answer to `getMonitorData`. */
interface Listed {
  readonly pm_id: number
  readonly pid?: number
  readonly pm2_env: {
    readonly status: string
    readonly created_at: number
    readonly restart_time: number
    readonly prev_restart_delay?: number
    readonly env?: Record<string, unknown>
    readonly pm_cwd?: string
  }
}

/**
 * Asks pm2 for its record of a process.
 *
 * @param id - pm2's number of the process
 * @returns undefined when pm2 lists no process of that number
 * @throws HelloserverError `CONTROL_FAILED` when pm2 does not answer within a second, or cannot be found
 */
export async function recordOf(id: number): Promise<AppRecord | undefined> {
  const listed = (await ask('getMonitorData', [{}])) as readonly Listed[]
  const found = listed.find((one) => one.pm_id === id)
  if (found === undefined) return undefined
  const { pid = 0, pm2_env: env } = found
  return {
    pid,
    status: env.status,
    createdAt: env.created_at,
    restarts: env.restart_time,
    restartDelayMs: env.prev_restart_delay,
    environment: textsIn(env.env ?? {}),
    folder: env.pm_cwd,
  }
}

/**
 * Makes pm2 stop a process as `pm2 stop` does, including its file watcher. pm2 answers when the process is
 * gone, so a process that stops itself never receives the answer.
 *
 * @throws HelloserverError `CONTROL_FAILED` when pm2 does not answer in time, or cannot be found
 */
export async function stopApp(id: number, withinMs: number): Promise<void> {
  await ask('stopWatch', ['stopProcessId', id])
  await ask('stopProcessId', [id], withinMs)
}

async function ask(
  method: string,
  args: readonly unknown[],
  withinMs = answerMs,
): Promise<unknown> {
  const { axon, rpc, constants } = pm2Modules()
  const socket = axon.socket('req')
  const answered = new Promise<unknown>((resolve, reject) => {
    const client = new rpc.Client(socket)
    socket.on('error', reject)
    socket.connect(constants.DAEMON_RPC_PORT)
    client.call(method, ...args, (error, answer) => {
      if (error === null) resolve(answer)
      else reject(error)
    })
  })
  try {
    return await withDeadline(answered, withinMs, () => {
      throw unanswered(`did not answer "${method}" within ${withinMs} ms`)
    })
  } finally {
    socket.close()
  }
}

/** Loads the modules of the very pm2 that runs this process, of any release, when first needed (15 ms). */
function pm2Modules(): Pm2Modules {
  const container = process.argv[1] ?? ''
  if (!basename(container).startsWith('ProcessContainer')) {
    throw unanswered(`cannot be found beside ${container}`)
  }
  const load = createRequire(container)
  const folder = dirname(dirname(container))
  return {
    axon: load(bundledOr(load, `${folder}/modules/pm2-axon`, 'pm2-axon')),
    rpc: load(bundledOr(load, `${folder}/modules/pm2-axon-rpc`, 'pm2-axon-rpc')),
    constants: load(`${folder}/constants.js`),
  }
}

/** pm2 7 bundles these modules; in earlier releases they were separate packages. */
function bundledOr(load: NodeJS.Require, bundled: string, name: string): string {
  try {
    return load.resolve(bundled)
  } catch {
    return name
  }
}

function textsIn(values: Record<string, unknown>): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const [key, value] of Object.entries(values)) {
    if (typeof value === 'string' || typeof value === 'number') texts[key] = String(value)
  }
  return texts
}

function unanswered(what: string): HelloserverError {
  return new HelloserverError('CONTROL_FAILED', `pm2 ${what}`)
}
