import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { withDeadline } from '../async/with-deadline.ts'
import { version } from '../build-id.ts'
import { configDigest } from '../config/load.ts'
import { codeOf, HelloserverError, handedOver, messageOf } from '../errors.ts'
import { fileError, withFile } from '../files/file-error.ts'
import { identityOf } from '../files/file-identity.ts'
import { putInPlace } from '../files/put-in-place.ts'
import { AttachedBridge, type Deserted } from './attached-bridge.ts'
import { BoundedConnections } from './bounded-connections.ts'
import { Caller } from './caller.ts'
import { createJSONRPCErrorResponse, type JSONRPCServerAndClient } from './json-rpc.ts'
import { Pacer } from './pacer.ts'
import { requestParams } from './params.ts'
import {
  type CheckedParams,
  type ControlTarget,
  controlProtocol,
  type Method,
  type Results,
} from './protocol.ts'

/** How long the last answers may take to reach their readers, in milliseconds. */
const farewellMs = 500

/** How many callers may be connected at a time, including the bridge, and how many slow requests may wait. */
const maxCallers = 40
const maxWaiting = 32

/** Methods answered however many requests wait: they show how the service is, or end the waiting. */
const alwaysAnswered: ReadonlySet<Method> = new Set(['status', 'attach', 'stop', 'log-level'])

/** How long a caller other than the bridge may be idle before it is disconnected, in milliseconds. */
const maxIdleMs = 30_000
const sweepEveryMs = 1_000

/** Answers the command line and the bridge on the service's control socket. */
export class ControlServer {
  #server: Server | undefined
  /** Bound, but not published yet. */
  #bound: Server | undefined
  readonly #target: ControlTarget
  readonly #callers = new BoundedConnections<Caller>(maxCallers)
  readonly #pacer = new Pacer()
  #waiting = 0
  #sweep: NodeJS.Timeout | undefined
  #path = ''
  /** Identity of the published socket. */
  #identity: string | undefined
  /** The process that is the service now, if it is not this one. */
  #successorPid: number | undefined
  readonly supervisor: AttachedBridge

  /** @param onDeserted - called when no bridge has come back for a while, see `AttachedBridge` */
  constructor(target: ControlTarget, onDeserted: Deserted) {
    this.#target = target
    this.supervisor = new AttachedBridge(onDeserted)
  }

  /**
   * Binds a socket to be published as `path`; the process's umask reserves it for its owner.
   *
   * It is bound under another name and renamed, so that the path is never missing while another process takes
   * over, and so that closing it, which removes the name that it was bound under, does not remove the
   * successor's socket. The price: /proc/net/unix shows the first name, so systemd-tmpfiles believes that
   * no process listens on the socket.
   */
  async bind(path: string): Promise<void> {
    this.#path = path
    // Left over from an attempt that got no further.
    this.#bound?.close()
    rmSync(this.#unpublished, { force: true })
    const server = createServer((socket) => this.#admit(socket))
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(fileError('BOOT_FAILED', 'open the control socket', path, error)),
      )
      server.listen(this.#unpublished, resolve)
    })
    this.#bound = server
    clearInterval(this.#sweep)
    this.#sweep = setInterval(() => this.#callers.dropIdle(maxIdleMs), sweepEveryMs).unref()
  }

  /** Directs new connections to the path here, away from any process that listened there before. */
  publish(): void {
    const identity = identityOf(this.#unpublished)
    withFile('open the control socket', this.#path, () => putInPlace(this.#unpublished, this.#path))
    this.#identity = identity
    // Closed only now: closing an earlier one removes the name that both were bound under.
    this.#server?.close()
    this.#server = this.#bound
    this.#bound = undefined
  }

  /** Whether connections to the path arrive here; true before it was first published. */
  get isThere(): boolean {
    return this.#identity === undefined || identityOf(this.#path) === this.#identity
  }

  /** Listens anew, since a socket that has lost its path cannot get it back. Connected callers stay connected. */
  async putBack(): Promise<void> {
    await this.bind(this.#path)
    this.publish()
  }

  get #unpublished(): string {
    return `${this.#path}.${process.pid}`
  }

  /** Accepts no more callers; those connected keep their connection until `farewell`. */
  close(): void {
    clearInterval(this.#sweep)
    this.#server?.close()
    this.#bound?.close()
    this.#server = undefined
  }

  /**
   * Another process is the service now: tells all callers, including those about to connect, where to continue.
   * Requests made before are still answered.
   */
  handOver(pid: number): void {
    this.#successorPid = pid
    this.supervisor.close()
    for (const { peer } of this.#callers.all) peer.notify('handed-over', { pid })
  }

  /** Sends the remaining answers, then disconnects all callers. */
  async farewell(): Promise<void> {
    this.close()
    // Answers to requests that have just settled are written in this turn.
    await new Promise((resolve) => setImmediate(resolve))
    const gone = [...this.#callers.all].map(({ socket }) => {
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
      socket.end()
      return withDeadline(closed, farewellMs, () => {
        socket.destroy()
        return closed
      })
    })
    await Promise.all(gone)
  }

  #admit(socket: Socket): void {
    const caller = new Caller(socket, this.#pacer, this.supervisor)
    if (this.#callers.add(caller)) this.#serve(caller)
    else socket.destroy()
    socket.once('close', () => this.#callers.delete(caller))
  }

  #serve(caller: Caller): void {
    const { peer } = caller
    peer.applyServerMiddleware(async (next, request, serverParams) => {
      try {
        return await next(request, serverParams)
      } catch (error) {
        const code = codeOf(error)
        const { message } = error instanceof Error ? error : { message: messageOf(error) }
        return createJSONRPCErrorResponse(request.id ?? null, serverError, message, { code })
      }
    })
    const self = { protocol: controlProtocol, version, pid: process.pid }
    peer.addMethod('hello', () => self)
    if (this.#successorPid !== undefined) peer.notify('handed-over', { pid: this.#successorPid })
    this.#answer(peer, 'status', () => this.#target.status())
    this.#answer(peer, 'reload', ({ cause, ...request }) => this.#target.reload(cause, request))
    this.#answer(peer, 'upgrade', ({ cause, ...request }) => this.#target.upgrade(cause, request))
    this.#answer(peer, 'stop', ({ force }) => this.#target.stop('a stop command', force))
    this.#answer(peer, 'fleet', () => this.#target.fleetOperations.view())
    this.#answer(peer, 'fleet-forget', async ({ host, force }) => {
      await this.#target.fleetOperations.forget(host, force)
      return { forgotten: host }
    })
    this.#answer(peer, 'fleet-clear', async ({ build }) => ({
      cleared: await this.#target.fleetOperations.clear(build),
    }))
    this.#answer(peer, 'scale', async ({ workers }) => {
      await this.#target.scale(workers)
      return { workers }
    })
    this.#answer(peer, 'log-level', ({ level }) => {
      this.#target.logAt(level)
      return { level }
    })
    this.#answer(peer, 'attach', async ({ pid, instance }) => {
      const { superseded, restarting } = await this.supervisor.attach(
        caller.supervising(pid, instance),
      )
      const { config, program } = this.#target
      return {
        superseded,
        restarting,
        status: this.#target.status(),
        configDigest: configDigest(config),
        programId: this.#target.programId,
        program: {
          path: program.path,
          file: program.file,
          environmentDigest: program.environmentDigest,
        },
        drainTimeoutMs: config.drain.timeoutMs,
        drainAnnounceMs: config.drain.announceMs,
        readyTimeoutMs: config.reload.readyTimeoutMs,
      }
    })
    this.#answer(peer, 'restarting', async ({ environment }) => {
      const obstacle = await this.#target.restartObstacle(environment)
      if (obstacle === null) this.supervisor.expectNext()
      return { obstacle }
    })
  }

  #answer<M extends Method>(
    peer: JSONRPCServerAndClient,
    method: M,
    handler: (params: CheckedParams<M>) => Results[M] | Promise<Results[M]>,
  ): void {
    peer.addMethod(method, async (params: unknown) => {
      if (this.#successorPid !== undefined) throw handedOver(this.#successorPid)
      const checked = requestParams[method].safeParse(params ?? {})
      if (!checked.success) {
        const problem = checked.error.issues.map(
          ({ path, message }) => `${path.join('.')}: ${message}`,
        )
        throw new HelloserverError(
          'BAD_USAGE',
          `Bad parameters for ${method}: ${problem.join('; ')}`,
        )
      }
      if (alwaysAnswered.has(method)) return handler(checked.data as CheckedParams<M>)
      return this.#waitFor(() => handler(checked.data as CheckedParams<M>))
    })
  }

  async #waitFor<T>(act: () => T | Promise<T>): Promise<T> {
    if (this.#waiting >= maxWaiting) {
      throw new HelloserverError(
        'CONTROL_FAILED',
        `${maxWaiting} requests are already waiting for their outcomes; try again later`,
      )
    }
    this.#waiting += 1
    try {
      return await act()
    } finally {
      this.#waiting -= 1
    }
  }
}

/** The range that JSON-RPC 2.0 leaves to servers starts here. */
const serverError = -32_000
