import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cleanup } from '../cleanup.ts'
import { freePort } from '../free-port.ts'
import type { Host } from '../network.ts'
import { isStopped, signalTo } from '../processes.ts'
import { waitFor } from '../wait-for.ts'
import type { Certificates } from './certificates.ts'
import { FakedClock } from './faked-clock.ts'
import { type Address, redisCli } from './redis-cli.ts'
import { launch, type RedisProcess } from './redis-process.ts'
import { storeRelease } from './store-release.ts'

export interface RedisOptions {
  /** The host that runs the server; by default, it runs on the loopback address. */
  readonly host?: Host
  /** The server's port; by default, any free one. */
  readonly port?: number
  /** The password of the default user. */
  readonly password?: string
  /** A user with all permissions, beside a default user with none. */
  readonly user?: { readonly name: string; readonly password: string }
  /** Accepts only TLS. */
  readonly tls?: Certificates
  /** Keeps its data on disk, so that they survive a restart. */
  readonly isDurable?: boolean
  readonly replicaOf?: RedisServer
  /** Gives the server a clock that `setClock` can move. */
  readonly hasFakedClock?: boolean
  /** Further arguments of redis-server. */
  readonly settings?: readonly string[]
}

/** A real redis-server that ends with its test. */
export class RedisServer {
  readonly #options: RedisOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'hs-redis-'))
  readonly #clock: FakedClock | undefined
  readonly address: Address
  #process: RedisProcess | undefined

  private constructor(options: RedisOptions, port: number) {
    this.#options = options
    this.address = { host: options.host?.address ?? '127.0.0.1', port }
    this.#clock = options.hasFakedClock ? new FakedClock(this.#folder) : undefined
  }

  static async start(t: Cleanup, options: RedisOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(options, options.port ?? (await freePort()))
    t.after(async () => {
      await server.kill()
      rmSync(server.#folder, { recursive: true, force: true })
    })
    await server.start()
    return server
  }

  /** The server's address as a URL, with credentials. */
  get url(): string {
    const { tls, user, password } = this.#options
    const { host, port } = this.address
    const login = user ?? (password === undefined ? undefined : { name: '', password })
    const secret = login === undefined ? '' : `${login.name}:${login.password}@`
    return `${tls === undefined ? 'redis' : 'rediss'}://${secret}${host}:${port}`
  }

  get pid(): number {
    const pid = this.#process?.pid
    if (pid === undefined) throw new Error(`The Redis at ${this.url} does not run`)
    return pid
  }

  /** Starts the server again, on the same port and with the data on its disk; waits until it answers. */
  async start(): Promise<void> {
    this.#process = await launch({
      program: 'redis-server',
      args: this.#arguments(),
      folder: this.#folder,
      host: this.#options.host,
      environment: this.#clock?.environment,
      isReady: async () => (await this.command('PING').catch(() => '')) === 'PONG',
    })
  }

  /** Kills the server without warning; data that were only in memory are lost. */
  async kill(): Promise<void> {
    const running = this.#process
    this.#process = undefined
    await running?.kill()
  }

  /** Kills and restarts the server; with `isEmpty`, also without the data on its disk. */
  async restart(isEmpty = false): Promise<void> {
    await this.kill()
    if (isEmpty) {
      // A folder since Redis 7, a file before.
      for (const name of ['appendonlydir', 'appendonly.aof']) {
        rmSync(join(this.#folder, name), { recursive: true, force: true })
      }
    }
    await this.start()
  }

  /** Pauses the server: connections stay open, and nobody answers. */
  async pause(): Promise<void> {
    const { pid } = this
    signalTo(pid, 'SIGSTOP')
    await waitFor('the pause of a Redis', () => isStopped(pid))
  }

  resume(): void {
    signalTo(this.pid, 'SIGCONT')
  }

  /** Sets the server's clock to a time other than the true one. */
  setClock(offsetS: number): void {
    if (this.#clock === undefined) throw new Error('This Redis runs by the clock of the machine')
    this.#clock.set(offsetS)
  }

  /** Runs a command through redis-cli; an error from Redis rejects. */
  command(...words: string[]): Promise<string> {
    const { host, tls, user, password } = this.#options
    return redisCli(this.address, words, {
      ...(host && { wrapper: host.wrapper }),
      ...(tls && { tls }),
      ...(user ?? (password === undefined ? undefined : { name: 'default', password })),
    })
  }

  /** A value from INFO, as text; undefined if there is none by this name. */
  async info(name: string): Promise<string | undefined> {
    const lines = (await this.command('INFO')).split('\r\n')
    return lines.find((line) => line.startsWith(`${name}:`))?.slice(name.length + 1)
  }

  #arguments(): string[] {
    const { password, user, tls, isDurable, replicaOf, settings = [] } = this.#options
    const { host, port } = this.address
    const pairs: (readonly [string, string])[] = [
      ['bind', host === '127.0.0.1' ? host : `${host} 127.0.0.1`],
      ['dir', this.#folder],
      ['save', ''],
      ['repl-diskless-sync-delay', '0'],
      ['repl-ping-replica-period', '1'],
      ['protected-mode', 'no'],
    ]
    if (isDurable) pairs.push(['appendonly', 'yes'], ['appendfsync', 'always'])
    if (password !== undefined) pairs.push(['requirepass', password], ['masterauth', password])
    if (user !== undefined) {
      const everything = storeRelease() < 6.2 ? '~* +@all' : '~* &* +@all'
      pairs.push(['user', 'default off'])
      pairs.push(['user', `${user.name} on >${user.password} ${everything}`])
    }
    if (replicaOf !== undefined) {
      pairs.push(['replicaof', `${replicaOf.address.host} ${replicaOf.address.port}`])
    }
    if (tls === undefined) pairs.push(['port', String(port)])
    else {
      pairs.push(['port', '0'], ['tls-port', String(port)], ['tls-auth-clients', 'no'])
      pairs.push(['tls-cert-file', tls.certificate], ['tls-key-file', tls.key])
      pairs.push(['tls-ca-cert-file', tls.authority])
    }
    // Several words in a configuration file are several arguments on a command line.
    return [
      ...pairs
        .map(([key, value]) => `--${key} ${value}`)
        .join(' ')
        .split(' '),
      ...settings,
    ]
  }
}
