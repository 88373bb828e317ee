import type { Socket } from 'node:net'
import type { AttachedBridge, Supervisor } from './attached-bridge.ts'
import type { BoundedConnection } from './bounded-connections.ts'
import {
  createJSONRPCErrorResponse,
  JSONRPCClient,
  JSONRPCErrorCode,
  JSONRPCServer,
  JSONRPCServerAndClient,
} from './json-rpc.ts'
import { LineChannel } from './line-channel.ts'
import type { Pacer } from './pacer.ts'
import { maxRequestBytes } from './protocol.ts'

/** Parameters are at most objects of objects; deep nesting takes the parser longer than its length suggests. */
const maxDepth = 16

/** How many requests may wait for their answers, and how many may come as one message (a batch). */
const maxInHand = 16
const maxBatch = 16

/** The unread bytes above which a caller is not read from, and those above which it is disconnected. */
const fullBytes = 65_536
const maxUnreadBytes = 1_048_576

/** A connection to the control socket. Its use of resources is bounded, whatever the caller sends. */
export class Caller implements BoundedConnection {
  readonly socket: Socket
  readonly peer: JSONRPCServerAndClient
  readonly #channel: LineChannel
  readonly #bridge: AttachedBridge
  #supervisor: Supervisor | undefined

  constructor(socket: Socket, pacer: Pacer, bridge: AttachedBridge) {
    this.socket = socket
    this.#bridge = bridge
    this.peer = new JSONRPCServerAndClient(
      new JSONRPCServer({ errorListener: () => {} }),
      new JSONRPCClient((message) => this.#channel.send(message)),
      // A caller that sends anything but messages of this protocol is disconnected, not logged.
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
    return this.#bridge.isHeldBy(this.#supervisor) ? undefined : this.#channel.idleSinceMs
  }

  get isKnown(): boolean {
    return this.#channel.count > 0
  }

  hangUp(): void {
    this.#channel.destroy()
  }

  /** Makes the caller a bridge that wants to speak for the supervisor. */
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
