import type { Socket } from 'node:net'
import {
  createJSONRPCErrorResponse,
  JSONRPCClient,
  JSONRPCErrorCode,
  JSONRPCServer,
  JSONRPCServerAndClient,
} from 'json-rpc-2.0'
import type { Member } from '../crowd.ts'
import { LineChannel } from './line-channel.ts'
import type { Pacer } from './pacer.ts'
import type { Supervisor, SupervisorSeat } from './supervisor-seat.ts'

/** The largest request replaces the environment; the system lets one variable have as much (MAX_ARG_STRLEN). */
const maxRequestBytes = 131_072

/** Parameters are objects of objects at most; what is nested deeper takes the parser much longer than its length says. */
const maxDepth = 16

/** So many requests may wait for their answers, and so many may come as one message (a batch). */
const maxInHand = 16
const maxBatch = 16

/** A caller with so much to read is not asked for more, and one with more than the second is hung up on. */
const fullBytes = 65_536
const maxUnreadBytes = 1_048_576

/** A connection to the control socket. Whatever is sent on it, what it takes up is bounded. */
export class Caller implements Member {
  readonly socket: Socket
  readonly peer: JSONRPCServerAndClient
  readonly #channel: LineChannel
  readonly #seat: SupervisorSeat
  #supervisor: Supervisor | undefined

  constructor(socket: Socket, pacer: Pacer, seat: SupervisorSeat) {
    this.socket = socket
    this.#seat = seat
    this.peer = new JSONRPCServerAndClient(
      new JSONRPCServer({ errorListener: () => {} }),
      new JSONRPCClient((message) => this.#channel.send(message)),
      // Who sends what is no message of this protocol is hung up on, not logged.
      { errorListener: () => {} },
    )
    this.#channel = new LineChannel(
      socket,
      { maxMessageBytes: maxRequestBytes, maxDepth, maxInHand, fullBytes, maxUnreadBytes, pacer },
      (message) => this.#receive(message),
      () => this.peer.rejectAllPendingRequests('The connection closed'),
    )
  }

  /** The attached bridge is never idle. */
  get idleSinceMs(): number | undefined {
    return this.#seat.isHeldBy(this.#supervisor) ? undefined : this.#channel.idleSinceMs
  }

  get isKnown(): boolean {
    return this.#channel.count > 0
  }

  hangUp(): void {
    this.#channel.destroy()
  }

  /** The caller as a bridge that wants the supervisor's seat. */
  supervising(pid: number, instance: number): Supervisor {
    this.#supervisor = {
      pid,
      instance,
      notify: (name, params) => this.peer.notify(name, params),
      closed: new Promise((resolve) => this.socket.once('close', () => resolve())),
    }
    return this.#supervisor
  }

  async #receive(message: unknown): Promise<void> {
    if (Array.isArray(message) && message.length > maxBatch) {
      const problem = `The batch has ${message.length} requests; at most ${maxBatch} are answered`
      this.#channel.send(createJSONRPCErrorResponse(null, JSONRPCErrorCode.InvalidRequest, problem))
      return
    }
    await this.peer.receiveAndSend(message)
  }
}
