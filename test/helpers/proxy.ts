import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Cleanup } from './cleanup.ts'

/**
 * What happens to the bytes of one direction: they pass; they are held back and pass later, as after a network that
 * lost packets for a while; or they are lost for good, and so is their connection when this ends.
 */
export type Flow = 'pass' | 'hold' | 'drop'

export interface Flows {
  readonly requests: Flow
  readonly replies: Flow
}

const free: Flows = { requests: 'pass', replies: 'pass' }

/** A TCP proxy on a port of its own that can lose, hold or delay the data that passes through it. */
export class Proxy {
  readonly #server: Server
  readonly #links = new Set<Link>()
  #flows = free

  private constructor(server: Server, targetPort: number) {
    this.#server = server
    server.on('connection', (client) => this.#join(client, targetPort))
  }

  /** Starts a proxy in front of a port of 127.0.0.1. */
  static async start(t: Cleanup, targetPort: number): Promise<Proxy> {
    const server = createServer({ noDelay: true })
    const proxy = new Proxy(server, targetPort)
    t.after(() => proxy.#close())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Changes what happens to the bytes on every connection; an omitted direction passes. */
  set(flows: Partial<Flows>): void {
    this.#flows = { ...free, ...flows }
    for (const link of this.#links) link.set(this.#flows)
  }

  #join(client: Socket, targetPort: number): void {
    const target = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
    const link = new Link(client, target)
    link.set(this.#flows)
    this.#links.add(link)
    client.once('close', () => this.#links.delete(link))
  }

  #close(): void {
    this.#server.close()
    for (const link of this.#links) link.destroy()
  }
}

/** One connection, made of two sockets. */
class Link {
  readonly #client: Socket
  readonly #requests: Pipe
  readonly #replies: Pipe

  constructor(client: Socket, target: Socket) {
    this.#client = client
    this.#requests = new Pipe(client, target)
    this.#replies = new Pipe(target, client)
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      // The other side must see a reset as well.
      one.on('error', () => other.resetAndDestroy())
      one.on('close', () => other.destroy())
    }
  }

  set({ requests, replies }: Flows): void {
    this.#requests.set(requests)
    this.#replies.set(replies)
  }

  destroy(): void {
    this.#client.destroy()
  }
}

/** One direction of a connection. */
class Pipe {
  readonly #to: Socket
  readonly #held: Buffer[] = []
  #flow: Flow = 'pass'
  #hasLost = false

  constructor(from: Socket, to: Socket) {
    this.#to = to
    from.on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  set(flow: Flow): void {
    this.#flow = flow
    if (flow !== 'pass') return
    if (this.#hasLost) this.#to.resetAndDestroy()
    for (const chunk of this.#held.splice(0)) this.#to.write(chunk)
  }

  #receive(chunk: Buffer): void {
    if (this.#flow === 'pass') this.#to.write(chunk)
    else if (this.#flow === 'hold') this.#held.push(chunk)
    else this.#hasLost = true
  }
}
