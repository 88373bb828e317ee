import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { deferred } from '../async/deferred.ts'
import { withDeadline } from '../async/with-deadline.ts'
import { version } from '../build-id.ts'
import { codeOf, type ErrorCode, HelloserverError, handedOver, messageOf } from '../errors.ts'
import { mustBeOwnSocket } from '../files/trust.ts'
import { hasNoListener } from '../network/no-listener.ts'
import {
  JSONRPCClient,
  JSONRPCErrorException,
  JSONRPCServer,
  JSONRPCServerAndClient,
} from './json-rpc.ts'
import { clientLimits, LineChannel } from './line-channel.ts'
import {
  controlProtocol,
  type Method,
  maxRequestBytes,
  type Notifications,
  type Params,
  type Results,
} from './protocol.ts'

/** A service that closes this many connections in a row, unasked, was neither just replaced nor is it busy. */
const attempts = 8

/** How much longer to wait before each further attempt, in milliseconds. */
const patienceMs = 20

/** How long a service may take to say hello, in milliseconds; unless it is paused, it takes a few. */
const helloWithinMs = 20_000

/** The most that JSON-RPC puts around the parameters of a request. */
const envelopeBytes = 256

/** The code that json-rpc-2.0 gives to requests that end without an answer. */
const unanswered = 0

/** A connection to a service's control socket. */
export class ControlClient {
  readonly #peer: JSONRPCServerAndClient
  readonly #channel: LineChannel
  readonly #handedOver = deferred<number>()
  #successorPid: number | undefined
  #service: Results['hello'] | undefined
  /** Resolves when the primary has closed the connection. */
  readonly closed: Promise<void>

  private constructor(socket: Socket) {
    let isClosed = false
    this.#peer = new JSONRPCServerAndClient(
      // Notifications that this release does not know concern neither it nor a terminal.
      new JSONRPCServer({ errorListener: () => {} }),
      new JSONRPCClient((message) => {
        // Pending requests have been rejected by then, and nothing would reject this one.
        if (isClosed) throw new Error(hungUp)
        this.#channel.send(message)
      }),
    )
    let onClose: () => void = () => {}
    this.closed = new Promise((resolve) => {
      onClose = resolve
    })
    this.#channel = new LineChannel(
      socket,
      clientLimits,
      (message) => this.#peer.receiveAndSend(message),
      () => {
        isClosed = true
        this.#peer.rejectAllPendingRequests(hungUp)
        onClose()
      },
    )
    this.on('handed-over', ({ pid }) => {
      this.#successorPid = pid
      this.#handedOver.resolve(pid)
    })
  }

  /**
   * Connects to a running service. Resolves when the service has said hello. A process that was just replaced
   * may end before that; the next attempt then reaches the process that is the service now.
   *
   * @param path - the service's control socket
   * @param signal - closes the connection, also later
   * @throws HelloserverError `NOT_RUNNING` when no process listens there; `BAD_CONFIG` when another user could
   */
  static async connect(path: string, signal?: AbortSignal): Promise<ControlClient> {
    for (let attempt = 1; ; attempt += 1) {
      const client = new ControlClient(await connected(path, signal))
      try {
        const hello = client.#peer.request('hello', {})
        const answer: unknown = await withDeadline(hello, helloWithinMs, () => {
          throw silent(path)
        })
        client.#service = helloOf(answer, path)
        return client
      } catch (error) {
        client.close()
        if (error instanceof HelloserverError) throw error
        if (attempt === attempts || signal?.aborted) throw client.#failure(error)
        await delay(attempt * patienceMs)
      }
    }
  }

  /** The service's hello, which every version sends. */
  get service(): Results['hello'] {
    if (this.#service === undefined) throw new TypeError('Not connected yet')
    return this.#service
  }

  /** Resolves with the PID of the process that replaces this one as the service, if one does. */
  get handedOver(): Promise<number> {
    return this.#handedOver.promise
  }

  /**
   * Sends a request, and waits for its answer as long as the connection lasts.
   *
   * @throws HelloserverError the service's own error; `HANDED_OVER` when another process is the service and
   * this one has not performed the request; `HUNG_UP` when it ended before it answered; `OTHER_PROTOCOL`
   * when it speaks another version of the protocol; or `BAD_CONFIG` when the request is larger than it accepts
   */
  async request<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    this.#mustSpeakAlike()
    mustFit(method, params)
    try {
      return (await this.#peer.request(method, params)) as Results[M]
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** Calls `handler` for each notification of that name. */
  on<Name extends keyof Notifications>(
    name: Name,
    handler: (params: Notifications[Name]) => void,
  ): void {
    this.#peer.addMethod(name, (params: unknown) => handler(params as Notifications[Name]))
  }

  /** The same words may mean something else to a service of another version. */
  #mustSpeakAlike(): void {
    const { service } = this
    if (service.protocol === controlProtocol) return
    throw new HelloserverError(
      'OTHER_PROTOCOL',
      `The service is helloserver ${service.version} and speaks control protocol ${service.protocol}, but this is helloserver ${version} and speaks ${controlProtocol}; use the command line of that version, or "kill -USR2 ${service.pid}" to upgrade the service`,
    )
  }

  #failure(error: unknown): HelloserverError {
    const isAnswer = error instanceof JSONRPCErrorException && error.code !== unanswered
    // The service answers a request that it has begun before it closes; a request that failed there is not
    // repeated.
    if (!isAnswer && this.#successorPid !== undefined) return handedOver(this.#successorPid)
    const code = isAnswer ? (codeIn(error.data) ?? 'CONTROL_FAILED') : 'HUNG_UP'
    return new HelloserverError(code, messageOf(error), { cause: error })
  }

  /** Closes the connection. */
  close(): void {
    this.#channel.destroy()
  }
}

/** @throws HelloserverError `CONTROL_FAILED` when it is not an answer from helloserver */
function helloOf(answer: unknown, path: string): Results['hello'] {
  // Not with the schema library, which every command would have to load for this.
  const { protocol, version: its, pid } = (answer ?? {}) as Partial<Results['hello']>
  if (isNumber(protocol) && typeof its === 'string' && isNumber(pid) && pid > 0) {
    return { protocol, version: its, pid }
  }
  throw new HelloserverError(
    'CONTROL_FAILED',
    `The program that listens on ${path} is not helloserver; stop it and remove the file`,
  )
}

function silent(path: string): HelloserverError {
  return new HelloserverError(
    'CONTROL_FAILED',
    `The process that listens on ${path} has not answered for ${helloWithinMs / 1_000} s; it may be paused`,
  )
}

const isNumber = (value: unknown): value is number => Number.isSafeInteger(value)

const hungUp = 'The service ended before it answered'

async function connected(path: string, signal: AbortSignal | undefined): Promise<Socket> {
  try {
    // Messages may be secret, such as an environment with a password, so the listener must not be a stranger.
    mustBeOwnSocket('control socket', path)
  } catch (error) {
    throw error instanceof HelloserverError ? error : explain(error, path)
  }
  const socket = connect({ path, ...(signal && { signal }) })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', (error) => reject(explain(error, path)))
  })
  return socket
}

function codeIn(data: unknown): ErrorCode | undefined {
  // One of the service's own codes; a newer code that this program does not know still has its message.
  return codeOf(data) as ErrorCode | undefined
}

function explain(error: unknown, path: string): HelloserverError {
  if (hasNoListener(error)) {
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

/** Only an environment makes a request this large. The service would disconnect, without a reason. */
function mustFit(method: Method, params: object = {}): void {
  const bytes = Buffer.byteLength(JSON.stringify(params)) + envelopeBytes
  if (bytes <= maxRequestBytes) return
  throw new HelloserverError(
    'BAD_CONFIG',
    `The environment is too large for a running service to take over: the ${method} request has ${bytes} bytes, of at most ${maxRequestBytes}. Put large values into files, or stop and start the service ("pm2 restart" does)`,
  )
}
