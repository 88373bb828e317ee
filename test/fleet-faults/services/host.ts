import type { TestContext } from 'node:test'
import { freePort } from '../../helpers/free-port.ts'
import { signalTo } from '../../helpers/processes.ts'
import { Proxy } from '../../helpers/proxy.ts'
import type { RedisServer } from '../../helpers/redis/server.ts'
import { Sandbox } from '../../helpers/sandbox.ts'
import { type Service, startIn } from '../../helpers/service.ts'
import { serviceAt } from '../../helpers/service-in.ts'

/** Notes the token that each connection is served by, and when its handler began. */
const app = `import { appendFileSync } from 'node:fs'
export default {
  async handle(connection, context) {
    const nowMs = Number(process.hrtime.bigint()) / 1e6
    appendFileSync(recordFile, context.lease.token + ' ' + nowMs + '\\n')
    await connection.write((await connection.readLine()) ?? '')
  },
}`

/** A connection that a host has served. */
export interface Served {
  readonly host: string
  readonly token: number
  readonly atMs: number
}

/** One host of a fleet: the whole program, with its own way to Redis. */
export class ServiceHost {
  readonly name: string
  readonly port: number
  readonly way: Proxy
  readonly #sandbox: Sandbox
  readonly #served: Served[] = []
  /** So much of the record has been read. */
  #read = 0
  #service: Service | undefined

  private constructor(name: string, port: number, way: Proxy, sandbox: Sandbox) {
    this.name = name
    this.port = port
    this.way = way
    this.#sandbox = sandbox
  }

  static async start(
    t: TestContext,
    name: string,
    redis: RedisServer,
    ttlMs: number,
  ): Promise<ServiceHost> {
    const way = await Proxy.start(t, redis.address.port)
    const port = await freePort()
    const sandbox = new Sandbox(t, {
      app,
      config: { port, lease: { host: name, ttlMs } },
      environment: { HELLOSERVER_REDIS_URL: `redis://127.0.0.1:${way.port}` },
      allow: [/Lost the lease/],
    })
    const host = new ServiceHost(name, port, way, sandbox)
    await host.start()
    return host
  }

  get service(): Service {
    if (this.#service === undefined) throw new Error(`The host ${this.name} does not run`)
    return this.#service
  }

  async start(): Promise<void> {
    this.#service = await startIn(this.#sandbox)
  }

  /** Goes on with the process that has succeeded the primary. */
  async adopt(): Promise<void> {
    const { pid } = await this.service.status()
    this.#service = serviceAt(this.#sandbox, pid, this.port)
  }

  /** Ends the primary without a warning; resolves when its workers are gone, too. */
  async kill(): Promise<void> {
    signalTo(this.service.pid, 'SIGKILL')
    await this.#sandbox.allEnded()
    this.#service = undefined
  }

  /** What it has served so far. */
  get served(): readonly Served[] {
    const { record } = this.#sandbox
    const end = record.lastIndexOf('\n') + 1
    const lines = record.slice(this.#read, end).split('\n').slice(0, -1)
    this.#read = end
    for (const line of lines) {
      const [token, atMs] = line.split(' ').map(Number) as [number, number]
      this.#served.push({ host: this.name, token, atMs })
    }
    return this.#served
  }

  /** The last connection that it has served so far. */
  get last(): Served | undefined {
    return this.served.at(-1)
  }
}
