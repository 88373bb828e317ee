import { withDeadline } from '../async/with-deadline.ts'
import { messageOf } from '../errors.ts'
import { StoreError } from '../store-error.ts'
import { explainRedis } from './problem.ts'
import { commandTimeoutMs, createClient, type RedisClient, retryDelayMs } from './redis-client.ts'
import { describeTarget, type RedisTarget } from './redis-target.ts'
import type { Script } from './script.ts'

/** The time limit of WAIT, in milliseconds: less than that of a command. */
const waitMs = 300

type Argument = string | number

/** A host's access to Redis: it runs scripts and receives published messages. It reconnects until it is closed. */
export class RedisLink {
  readonly #target: RedisTarget
  readonly #name: string
  readonly #replicas: number
  readonly #client: RedisClient
  /** All clients that are to stay connected. */
  readonly #clients = new Set<RedisClient>()
  #connections = 0
  /** Why there is no connection; the error of a command says less. */
  #lastError: unknown

  /**
   * @param name - the name of the connections in CLIENT LIST
   * @param replicas - a script succeeds only when this many replicas have its effects, too; 0 waits for none
   */
  constructor(target: RedisTarget, name: string, replicas = 0) {
    this.#target = target
    this.#name = name
    this.#replicas = replicas
    this.#client = this.#open(name)
    this.#client.on('ready', () => {
      this.#connections += 1
    })
  }

  /** The `redis_mode` that a server must have to suit the target. */
  get mode(): 'standalone' | 'cluster' {
    return this.#target.kind === 'cluster' ? 'cluster' : 'standalone'
  }

  /**
   * The number of the connection, from 1; a new connection may lead to another server. Undefined in a cluster, where
   * each command finds its own.
   */
  get connection(): number | undefined {
    return this.#target.kind === 'cluster' ? undefined : this.#connections
  }

  /** The server in readable form, without credentials. */
  get description(): string {
    return describeTarget(this.#target)
  }

  /**
   * Resolves when commands can be sent.
   *
   * @throws StoreError when they cannot be sent within `withinMs`, or never will be
   */
  async ready(withinMs: number): Promise<void> {
    if (this.#client.status === 'ready') return
    await new Promise<void>((resolve, reject) => {
      const stopWaiting = () => {
        clearTimeout(timer)
        this.#client.off('ready', onReady)
        this.#client.off('error', onError)
      }
      const onReady = () => {
        stopWaiting()
        resolve()
      }
      const onError = (error: unknown) => {
        const failure = this.#explain(error)
        if (!failure.isPermanent) return
        stopWaiting()
        reject(failure)
      }
      const timer = setTimeout(() => {
        stopWaiting()
        reject(this.#explain(this.#lastError ?? new Error('timed out')))
      }, withinMs)
      this.#client.on('ready', onReady)
      this.#client.on('error', onError)
    })
  }

  /**
   * Runs a script.
   *
   * @returns its result, once the required number of replicas has its effects
   * @throws StoreError when that is uncertain: the script may have run, and may yet run
   */
  async run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#bounded(this.#evaluate(script, [keys.length, ...keys, ...args]))
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /**
   * Increments a field of a hash.
   *
   * @returns the new value, once the required number of replicas has it
   * @throws StoreError when that is uncertain, like `run`
   */
  async increment(key: string, field: string): Promise<number> {
    try {
      return Number(await this.#bounded(this.#confirmed('hincrby', [key, field, 1])))
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /** Returns one section of INFO. */
  async info(section: 'server' | 'replication'): Promise<ReadonlyMap<string, string>> {
    try {
      const text = await this.#bounded(this.#client.info(section))
      const lines = text.split('\r\n').map((line) => line.split(':', 2) as [string, string])
      return new Map(lines)
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /**
   * Calls `listener` for each message on a channel, and without a message whenever the channel has been joined, since
   * earlier messages are lost. A message is a hint to look, no more.
   *
   * @returns a function that ends the subscription
   */
  subscribe(channel: string, listener: (message?: string) => void): () => void {
    // A connection in subscriber mode can do nothing else.
    const subscriber = this.#open(`${this.#name}:hints`)
    subscriber.on('message', (from: string, message: string) => {
      if (from === channel) listener(message)
    })
    const join = () => {
      subscriber.subscribe(channel).then(
        () => listener(),
        (error: unknown) => this.#noteFailure(subscriber, error),
      )
    }
    // Again on each connection: the first attempt may have failed, and a repeated one changes nothing.
    subscriber.on('ready', join)
    // In a cluster, the node with the subscription may have gone, which no event reports.
    subscriber.on('refresh', join)
    return () => this.#close(subscriber)
  }

  close(): void {
    for (const client of this.#clients) this.#close(client)
  }

  /**
   * Runs a script by its digest; a server that does not know it (after a restart or a flush of its scripts) gets the
   * source.
   */
  async #evaluate({ digest, source }: Script, args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#confirmed('evalsha', [digest, ...args])
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error
      return this.#confirmed('eval', [source, ...args])
    }
  }

  async #confirmed(command: string, args: readonly Argument[]): Promise<unknown> {
    const client = this.#client
    if (this.#replicas === 0) return client.call(command, ...args)
    // WAIT counts only what the same connection has written, hence one pipeline for both.
    const commands = [
      [command, ...args],
      ['wait', this.#replicas, waitMs],
    ]
    const results = await client.pipeline(commands).exec()
    for (const [error] of results ?? []) if (error !== null) throw error
    const [[, result] = [], [, replicas] = []] = results ?? []
    if (Number(replicas) < this.#replicas) {
      throw new Error(`WAIT: ${Number(replicas)} of ${this.#replicas} replicas`)
    }
    return result
  }

  /** ioredis bounds each command, but in a cluster it retries by itself; this bounds the retries. */
  #bounded<T>(work: Promise<T>): Promise<T> {
    return this.#target.kind === 'cluster' ? inTime(work) : work
  }

  #open(name: string): RedisClient {
    const client = createClient(this.#target, name)
    this.#clients.add(client)
    client.on('error', (error) => this.#noteFailure(client, error))
    client.on('ready', () => {
      // A cluster client that is closed during node discovery would continue to search for ever.
      if (!this.#clients.has(client)) client.disconnect()
      else this.#lastError = undefined
    })
    client.on('end', () => this.#connectAgain(client))
    return client
  }

  #noteFailure(client: RedisClient, error: unknown): void {
    // The error of a closed client does not matter.
    if (this.#clients.has(client)) this.#lastError = error
  }

  #close(client: RedisClient): void {
    this.#clients.delete(client)
    client.disconnect()
  }

  /**
   * ioredis gives up for good, whatever its retry strategy says, if the Sentinels announce another master just as it
   * is about to connect.
   */
  #connectAgain(client: RedisClient): void {
    if (!this.#clients.has(client)) return
    setTimeout(() => {
      // An 'error' event reports a failure, and another 'end' follows it.
      if (this.#clients.has(client)) client.connect().catch(() => {})
    }, retryDelayMs())
  }

  #explain(error: unknown): StoreError {
    // Without a connection, a command's error says only that; the cause of the disconnection says more.
    const isUnconnected = /writeable|isn't ready|max retries|Connection is closed/i.test(
      messageOf(error),
    )
    const cause = causeOf(isUnconnected ? (this.#lastError ?? error) : error)
    const { tls } = this.#target
    const { text, isPermanent } = explainRedis(
      this.description,
      cause,
      this.#connections > 0 ? undefined : tls,
    )
    return new StoreError(isPermanent ? 'REDIS_REFUSED' : 'REDIS_FAILED', text, isPermanent, cause)
  }
}

/** A cluster client reports one error for the whole cluster; the error of the last node, if there is one, says more. */
function causeOf(error: unknown): unknown {
  const { lastNodeError } = error as { lastNodeError?: Error | null }
  return lastNodeError && lastNodeError.message !== 'Connection is closed.' ? lastNodeError : error
}

function inTime<T>(work: Promise<T>): Promise<T> {
  return withDeadline(work, commandTimeoutMs + 100, () => {
    throw new Error('timed out')
  })
}
