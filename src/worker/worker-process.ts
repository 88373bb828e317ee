/** The worker process: its first message brings its configuration; then it handles one connection at a time. */
import cluster from 'node:cluster'
import type { Socket } from 'node:net'
import { messageOf } from '../errors.ts'
import { ClaimWriter, claimFd } from '../ipc/claim-register.ts'
import {
  decodeToWorker,
  type FromWorker,
  type WorkerBoot,
  workerProtocol,
} from '../ipc/messages.ts'
import { ProgressWriter, progressFd, statusOfStep, uncounted } from '../ipc/progress.ts'
import { receivedSocket } from '../ipc/socket-handle.ts'
import { createLogger, type Logger, standardOutput } from '../telemetry/logger.ts'
import { appError, loadApp } from '../app/load.ts'
import { Worker } from '../worker/worker.ts'

// node:cluster ends a worker at once when its primary is gone; ours first finishes its active connection.
if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true
process.on('disconnect', () => leaveUnheard('the primary is gone'))
process.on('uncaughtException', (error) => die('Uncaught exception', error))
// The primary may close its end first; then nobody reads what an app prints.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

const progress = new ProgressWriter(progressFd)
/** How long a teardown may take when no primary watches it, in milliseconds. */
const teardownGraceMs = 1_000
let log: Logger | undefined
let worker: Worker | undefined
let leaving = false
/** Resident memory at the last heartbeat. */
let rssBytes = 0
/** How long a worker may take without a primary, in milliseconds: for its last connection, and to exit after it. */
let patienceMs = { connection: 0, end: 0 }

process.on('message', (message: unknown, handle: unknown) => {
  if (typeof message === 'number') {
    receive(message, receivedSocket(handle))
    return
  }
  const decoded = decodeToWorker(message)
  if (decoded === undefined) return
  switch (decoded.kind) {
    case 'boot':
      void boot(decoded)
      return
    case 'lease':
      worker?.hold(decoded)
      return
    case 'retire':
      void leave('retired')
      return
    case 'log-level':
      if (log !== undefined) log.level = decoded.level
      return
    case 'terminate':
      worker?.terminate()
      // The handler's own clean-up runs first, in this turn.
      setImmediate(() => process.exit(0))
      return
  }
})
process.on('SIGTERM', () => {
  tell({ kind: 'leaving' })
  void leave('SIGTERM')
})
tell({ kind: 'hello', protocol: workerProtocol })

async function boot(message: WorkerBoot): Promise<void> {
  const { service, slot, generation, config } = message
  const { connection, watchdog } = config
  const { deadlineMs, lingerMs } = connection
  patienceMs = { connection: deadlineMs + watchdog.hungAfterMs, end: lingerMs + teardownGraceMs }
  process.title = `${service}: worker ${slot}, generation ${generation}`
  log = createLogger(
    { service, role: 'worker', slot, generation },
    config.logLevel,
    standardOutput(),
  )
  const context = {
    service,
    slot,
    generation,
    directory: config.directory,
    settings: config.app,
    lease: null,
    log,
  }
  try {
    const app = await loadApp(config.appModule)
    try {
      await app.setup?.(context)
    } catch (error) {
      throw appError(`The app ${config.appModule} failed in setup`, error)
    }
    const claims = new ClaimWriter(claimFd)
    worker = new Worker(app, context, message, claims, progress, heartbeat)
  } catch (error) {
    tell({ kind: 'boot-failed', reason: messageOf(error) }, () => process.exit(1))
    return
  }
  setInterval(heartbeat, watchdog.heartbeatMs).unref()
  heartbeat()
  tell({ kind: 'ready' })
}

/** Reports that the event loop is running, and the state of this worker's connections. */
function heartbeat(): void {
  try {
    rssBytes = process.memoryUsage.rss()
    beat((error) => {
      if (error !== null) leaveUnheard(`the channel is closed: ${error.message}`)
    })
  } catch (error) {
    // The app has used up every descriptor: no connection can reach this process any more.
    log?.error({ error }, 'Cannot go on; leaving after what is in hand')
    tell({ kind: 'leaving', unfit: messageOf(error) })
    void leave('out of descriptors')
  }
}

function beat(onSent: (error: Error | null) => void): void {
  tell({ kind: 'heartbeat', rssBytes, ...worker?.view }, onSent)
}

function receive(id: number, socket: Socket | undefined): void {
  if (worker !== undefined) {
    worker.receive(id, socket)
    return
  }
  // The app has reported this worker ready before it was.
  progress.write({ step: 'missing', reason: 'none', id, ...uncounted })
  socket?.destroy()
}

function tell(message: FromWorker, onSent: (error: Error | null) => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, {}, onSent)
  else onSent(null)
}

/** Exits in good order although the primary is gone, or the app has closed the channel to it. */
function leaveUnheard(cause: string): void {
  // Nobody watches this process any more: a handler or teardown that never settles must not keep it alive.
  setTimeout(() => process.exit(1), patienceMs.connection + patienceMs.end).unref()
  void leave(cause)
}

/** Exits in good order, after the active connection. */
async function leave(cause: string): Promise<void> {
  if (leaving) return
  leaving = true
  log?.debug({ cause }, 'Worker leaves')
  try {
    await worker?.finish()
    const status = await lastWord()
    if (status !== 0) setTimeout(() => process.exit(status), patienceMs.end).unref()
    await worker?.close()
    process.exit(status)
  } catch (error) {
    die('The app failed in teardown', error)
  }
}

/**
 * Repeats how the last connection ended, in case its report has not arrived. If the primary cannot be told,
 * resolves with the exit status that tells it; otherwise with 0.
 */
async function lastWord(): Promise<number> {
  const isHeard = await new Promise<boolean>((resolve) =>
    beat((error) => resolve(error === null && process.connected)),
  )
  const last = worker?.view.last
  return isHeard || last === undefined ? 0 : statusOfStep(last.step)
}

/** An exception outside every handler leaves the app in an unknown state. */
function die(what: string, error: unknown): void {
  log?.fatal({ error }, what)
  const { message } = appError(what, error)
  if (worker === undefined) tell({ kind: 'boot-failed', reason: message }, () => process.exit(1))
  else process.exit(1)
}
