import {
  Client,
  type ClientOptions,
  type Connection,
  type InboundResponse,
  Message,
} from 'node-hl7-client'
import { type Deferred, deferred } from '../../src/async/deferred.ts'
import { within } from './wait-for.ts'

/** MSA-1 to MSA-3 of an acknowledgement, and MSH-5, the application that it is for. */
export interface Acknowledgement {
  readonly code: string
  readonly id: string
  readonly reason: string
  readonly receiver: string
}

/** The client tells of the end of a connection only if this is set; it ends the connection itself by then. */
const connectionTimeout = 60_000

/** A message of one segment beside its header. */
export function message(id: string, text = 'X'): Message {
  const header = `MSH|^~\\&|LAB|NORTH|EMR|SOUTH|20260101||ADT^A01|${id}|P|2.5.1`
  return new Message({ text: `${header}\rPID|1||${text}` })
}

/**
 * A sender of HL7 messages, by the client of node-hl7-client: of the packages with one, it is maintained, runs on
 * Node.js 20, has types and no dependencies. It sends one message at a time.
 */
export class Hl7Sender {
  readonly #port: number
  readonly #options: ClientOptions
  #connection: Connection | undefined
  #answer: Deferred<Acknowledgement | undefined> = deferred()

  /** @param options - such as `tls` and `socket`, for `tls.connect` and `net.connect` */
  constructor(port: number, options: ClientOptions = {}) {
    this.#port = port
    this.#options = options
  }

  /** Sends a message once, and connects before if necessary; undefined when the connection ended instead. */
  attempt(one: Message): Promise<Acknowledgement | undefined> {
    this.#answer = deferred()
    if (this.#connection === undefined) this.#connection = this.#connect(one)
    else void this.#connection.sendMessage(one)
    return within('an acknowledgement', this.#answer.promise)
  }

  /** Sends a message until it is acknowledged. */
  async send(one: Message): Promise<Acknowledgement> {
    for (;;) {
      const acknowledgement = await this.attempt(one)
      if (acknowledgement !== undefined) return acknowledgement
    }
  }

  async close(): Promise<void> {
    await this.#connection?.close()
    this.#connection = undefined
  }

  /** @param first - is sent as soon as the connection is there */
  #connect(first: Message): Connection {
    const client = new Client({ host: '127.0.0.1', connectionTimeout, ...this.#options })
    const connection = client.createConnection({ port: this.#port }, (response) =>
      this.#answer.resolve(acknowledgementIn(response)),
    )
    connection.on('connect', () => void connection.sendMessage(first))
    connection.on('client.error', () => {
      this.#answer.resolve(undefined)
      // It would connect again by itself, and then wait for the acknowledgement that was lost.
      void this.close()
    })
    return connection
  }
}

function acknowledgementIn(response: InboundResponse): Acknowledgement {
  const field = (path: string) => response.getMessage().get(path).toString()
  return {
    code: field('MSA.1'),
    id: field('MSA.2'),
    reason: field('MSA.3'),
    receiver: field('MSH.5'),
  }
}
