import { connect, type Socket } from 'node:net'
import {
  JSONRPCClient,
  JSONRPCErrorException,
  JSONRPCServer,
  JSONRPCServerAndClient,
} from 'json-rpc-2.0'
import { version } from '../build-id.ts'
import { codeOf, type ErrorCode, HelloserverError, messageOf } from '../errors.ts'
import { LineChannel } from './line-channel.ts'
import {
  controlProtocol,
  type Method,
  type Notifications,
  type Params,
  type Results,
} from './protocol.ts'

/** A connection to a service's control socket. */
export class ControlClient {
  readonly #peer: JSONRPCServerAndClient
  readonly #channel: LineChannel
  #greeting: Promise<void> | undefined
  /** Resolves when the primary has hung up. */
  readonly closed: Promise<void>

  private constructor(socket: Socket) {
    this.#peer = new JSONRPCServerAndClient(
      new JSONRPCServer(),
      new JSONRPCClient((message) => this.#channel.send(message)),
    )
    let onClose: () => void = () => {}
    this.closed = new Promise((resolve) => {
      onClose = resolve
    })
    this.#channel = new LineChannel(
      socket,
      (message) => this.#peer.receiveAndSend(message),
      () => {
        this.#peer.rejectAllPendingRequests(hungUp)
        onClose()
      },
    )
  }

  /**
   * Connects to a running service.
   *
   * @param path - its control socket
   * @throws HelloserverError `NOT_RUNNING` when nobody listens there
   */
  static async connect(path: string): Promise<ControlClient> {
    const socket = connect(path)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', (error) => reject(explain(error, path)))
    })
    return new ControlClient(socket)
  }

  /**
   * Asks, and waits for the answer as long as the connection lasts.
   *
   * @throws HelloserverError what the service answered, `CONTROL_FAILED` when it hung up instead, or
   * `OTHER_PROTOCOL` when it speaks another version of the protocol
   */
  async request<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    try {
      this.#greeting ??= this.#greet()
      await this.#greeting
      return (await this.#peer.request(method, params)) as Results[M]
    } catch (error) {
      if (error instanceof HelloserverError) throw error
      if (error instanceof JSONRPCErrorException) {
        throw new HelloserverError(codeIn(error.data) ?? 'CONTROL_FAILED', error.message)
      }
      throw new HelloserverError('CONTROL_FAILED', messageOf(error), { cause: error })
    }
  }

  /** Calls `handler` for each notification of that name. */
  on<Name extends keyof Notifications>(
    name: Name,
    handler: (params: Notifications[Name]) => void,
  ): void {
    this.#peer.addMethod(name, (params: unknown) => handler(params as Notifications[Name]))
  }

  /** Who answers; every version does. Rejects when the service hangs up instead. */
  async hello(): Promise<Results['hello']> {
    return (await this.#peer.request('hello', {})) as Results['hello']
  }

  /** A service of another version may mean something else by the same words. */
  async #greet(): Promise<void> {
    const service = await this.hello()
    if (service.protocol === controlProtocol) return
    throw new HelloserverError(
      'OTHER_PROTOCOL',
      `The service is helloserver ${service.version} and speaks control protocol ${service.protocol}, this is ${version} and speaks ${controlProtocol}; use the command line of that version, or "kill -USR2 ${service.pid}" to upgrade the service`,
    )
  }

  /** Hangs up. */
  close(): void {
    this.#channel.destroy()
  }
}

const hungUp = 'The service ended before it answered'

function codeIn(data: unknown): ErrorCode | undefined {
  // The service's own codes; a newer one that this program does not know still has its message.
  return codeOf(data) as ErrorCode | undefined
}

function explain(error: Error, path: string): HelloserverError {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new HelloserverError('NOT_RUNNING', 'Not running', { cause: error })
  }
  return new HelloserverError(
    'CONTROL_FAILED',
    `Cannot reach the control socket ${path}: ${messageOf(error)}`,
    {
      cause: error,
    },
  )
}
