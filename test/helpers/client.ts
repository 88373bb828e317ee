import { connect, type Socket } from 'node:net'
import { codeOf } from '../../src/errors.ts'
import { waitFor, within } from './wait-for.ts'

/** How a connection ended: in good order, by a reset, or before it was established. */
export type How = 'end' | 'reset' | 'refused'

export interface Ending {
  readonly how: How
  readonly text: string
}

export interface ClientOptions {
  readonly localAddress?: string
  /** Leaves the server's output in the socket until `read`. */
  readonly isPaused?: boolean
  /** Does not end its own side when the server has ended its side. */
  readonly staysOpen?: boolean
}

/** A TCP client that keeps everything it receives and remembers how its connection ended. */
export class Client {
  readonly socket: Socket
  readonly #chunks: Buffer[] = []
  readonly #ended: Promise<How>
  /** How the connection ended; undefined while it is open. */
  how: How | undefined
  /** The client's address as the server sees it. */
  address = ''

  constructor(port: number, options: ClientOptions = {}) {
    const { isPaused = false, staysOpen = false, ...binding } = options
    this.socket = connect({
      port,
      host: '127.0.0.1',
      allowHalfOpen: true,
      noDelay: true,
      ...binding,
    })
    this.socket.once('connect', () => {
      const { localAddress, localPort } = this.socket
      this.address = `${localAddress}:${localPort}`
    })
    if (isPaused) this.socket.pause()
    else this.read()
    this.#ended = new Promise((resolve) => {
      const settle = (how: How) => {
        this.how ??= how
        resolve(this.how)
      }
      this.socket.on('end', () => {
        settle('end')
        if (!staysOpen) this.socket.end()
      })
      this.socket.on('error', (error) =>
        settle(codeOf(error) === 'ECONNREFUSED' ? 'refused' : 'reset'),
      )
      // After `leave` and `reset`, neither of the two events comes.
      this.socket.on('close', () => settle('end'))
    })
  }

  /** Creates a client and waits until its connection is established. */
  static async connect(port: number, options?: ClientOptions): Promise<Client> {
    const client = new Client(port, options)
    await waitFor('a connection', () => !client.socket.connecting)
    return client
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  get text(): string {
    return this.bytes.toString('latin1')
  }

  /** Starts to read the server's output. */
  read(): void {
    this.socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
    this.socket.resume()
  }

  /** Sends bytes; resolves when the system has accepted them. */
  send(bytes: string | Uint8Array): Promise<void> {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    return new Promise((resolve) => this.socket.write(data, () => resolve()))
  }

  /** Ends only the client's side. */
  halfClose(): void {
    this.socket.end()
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Waits until `text` has arrived. */
  async receives(text: string): Promise<void> {
    await waitFor(`"${text}" from the server`, () => this.text.includes(text))
  }

  /** How the connection ended, and everything that was received. */
  async ending(): Promise<Ending> {
    const how = await within('the end of a connection', this.#ended)
    return { how, text: this.text }
  }
}

/** Sends bytes on a connection of its own and returns how it ended, with the answer. */
export async function ask(port: number, bytes: string, options?: ClientOptions): Promise<Ending> {
  const client = new Client(port, options)
  void client.send(bytes)
  return client.ending()
}
