import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import {
  createJSONRPCErrorResponse,
  JSONRPCClient,
  JSONRPCServer,
  JSONRPCServerAndClient,
} from 'json-rpc-2.0'
import { configDigest } from '../config/load.ts'
import { codeOf, HelloserverError, messageOf } from '../errors.ts'
import { LineChannel } from './line-channel.ts'
import {
  type CheckedParams,
  type ControlTarget,
  type Method,
  type Results,
  requestParams,
} from './protocol.ts'
import { SupervisorSeat } from './supervisor-seat.ts'

/** How long the last answers may take to reach their readers, in milliseconds. */
const farewellMs = 500

/** Answers the command line and the bridge on the service's control socket. */
export class ControlServer {
  readonly #server: Server
  readonly #target: ControlTarget
  readonly #sockets = new Set<Socket>()
  readonly supervisor = new SupervisorSeat()

  constructor(target: ControlTarget) {
    this.#target = target
    this.#server = createServer((socket) => this.#serve(socket))
  }

  /** Listens on `path`, which must not exist: the process's umask makes it its owner's alone. */
  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, resolve)
    })
  }

  /** Takes no further callers; those who are connected keep their connection until `farewell`. */
  close(path: string): void {
    this.#server.close()
    rmSync(path, { force: true })
  }

  /** Sends the answers that are still under way, and hangs up. */
  async farewell(): Promise<void> {
    // Answers to requests that have just been settled are written in this turn.
    await new Promise((resolve) => setImmediate(resolve))
    const gone = [...this.#sockets].map(
      (socket) =>
        new Promise<void>((resolve) => {
          const timer = setTimeout(() => socket.destroy(), farewellMs)
          socket.once('close', () => {
            clearTimeout(timer)
            resolve()
          })
          socket.end()
        }),
    )
    await Promise.all(gone)
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    const peer = new JSONRPCServerAndClient(
      new JSONRPCServer(),
      new JSONRPCClient((message) => channel.send(message)),
      // Who sends what is no message of this protocol is hung up on, not logged.
      { errorListener: () => {} },
    )
    const channel = new LineChannel(
      socket,
      (message) => peer.receiveAndSend(message),
      () => peer.rejectAllPendingRequests('The connection closed'),
    )
    peer.applyServerMiddleware(async (next, request, serverParams) => {
      try {
        return await next(request, serverParams)
      } catch (error) {
        const code = codeOf(error)
        const { message } = error instanceof Error ? error : { message: messageOf(error) }
        return createJSONRPCErrorResponse(request.id ?? null, serverError, message, { code })
      }
    })
    this.#answer(peer, 'status', () => this.#target.status())
    this.#answer(peer, 'reload', ({ cause, environment }) =>
      this.#target.reload(cause, environment),
    )
    this.#answer(peer, 'stop', () => this.#target.stop('a stop command'))
    this.#answer(peer, 'scale', async ({ workers }) => {
      await this.#target.scale(workers)
      return { workers }
    })
    this.#answer(peer, 'attach', async ({ pid, instance }) => {
      const superseded = await this.supervisor.take({
        pid,
        instance,
        notify: (name, params) => peer.notify(name, params),
        closed: new Promise((resolve) => socket.once('close', () => resolve())),
      })
      const { config } = this.#target
      return {
        superseded,
        status: this.#target.status(),
        configDigest: configDigest(config),
        drainTimeoutMs: config.drain.timeoutMs,
        drainAnnounceMs: config.drain.announceMs,
        readyTimeoutMs: config.reload.readyTimeoutMs,
      }
    })
  }

  #answer<M extends Method>(
    peer: JSONRPCServerAndClient,
    method: M,
    handler: (params: CheckedParams<M>) => Results[M] | Promise<Results[M]>,
  ): void {
    peer.addMethod(method, (params: unknown) => {
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
      return handler(checked.data as CheckedParams<M>)
    })
  }
}

/** The range that JSON-RPC 2.0 leaves to servers starts here. */
const serverError = -32_000
