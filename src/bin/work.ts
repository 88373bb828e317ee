/** What a worker process does: told what to be by its first message, it handles one connection at a time. */
import cluster from 'node:cluster'
import { messageOf } from '../errors.ts'
import { ClaimWriter, claimFd } from '../ipc/claim-register.ts'
import {
  decodeToWorker,
  type FromWorker,
  type WorkerBoot,
  workerProtocol,
} from '../ipc/messages.ts'
import { ProgressWriter, progressFd } from '../ipc/progress.ts'
import { receivedSocket } from '../ipc/socket-handle.ts'
import { createLogger, type Logger, standardOutput } from '../telemetry/logger.ts'
import { appError, loadApp } from '../app/load.ts'
import { Worker } from '../worker/worker.ts'

// node:cluster ends a worker at once when its primary is gone; ours first finishes what it has in hand.
if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true
process.on('disconnect', () => {
  // Nobody is left to watch over this process: a handler or a teardown that never settles must not keep it.
  setTimeout(() => process.exit(1), patienceMs).unref()
  void leave('the primary is gone')
})
process.on('uncaughtException', (error) => die('Uncaught exception', error))
// The primary may close the other end first; what an app prints then has no reader left.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

const progress = new ProgressWriter(progressFd)
let log: Logger | undefined
let worker: Worker | undefined
let leaving = false
/** How long a worker may take for its last connection and its teardown without a primary, in milliseconds. */
let patienceMs = 0

process.on('message', (message: unknown, handle: unknown) => {
  if (typeof message === 'number') {
    worker?.receive(message, receivedSocket(handle))
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
      // The turn that runs the handler's own clean-up comes first.
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
  patienceMs = connection.deadlineMs + connection.lingerMs + watchdog.hungAfterMs
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
    worker = new Worker(app, context, message, new ClaimWriter(claimFd), progress)
  } catch (error) {
    tell({ kind: 'boot-failed', reason: messageOf(error) }, () => process.exit(1))
    return
  }
  setInterval(heartbeat, watchdog.heartbeatMs).unref()
  heartbeat()
  tell({ kind: 'ready' })
}

function heartbeat(): void {
  try {
    tell({ kind: 'heartbeat', rssBytes: process.memoryUsage.rss() })
  } catch (error) {
    // The app has used up every descriptor: no connection can reach this process any more.
    log?.error({ error }, 'Cannot go on; leaving after what is in hand')
    tell({ kind: 'leaving' })
    void leave('out of descriptors')
  }
}

function tell(message: FromWorker, onSent: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, {}, onSent)
  else onSent()
}

/** Ends in good order: what is in hand first. */
async function leave(cause: string): Promise<void> {
  if (leaving) return
  leaving = true
  log?.debug({ cause }, 'Worker leaves')
  try {
    await worker?.drain()
    process.exit(0)
  } catch (error) {
    die('The app failed in teardown', error)
  }
}

/** An exception that no handler owns leaves the app in a state that nobody knows. */
function die(what: string, error: unknown): void {
  log?.fatal({ error }, what)
  const { message } = appError(what, error)
  if (worker === undefined) tell({ kind: 'boot-failed', reason: message }, () => process.exit(1))
  else process.exit(1)
}
