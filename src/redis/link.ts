import { HelloserverError, messageOf } from '../errors.ts'
import { commandTimeoutMs, createClient, type RedisClient, retryDelayMs } from './client.ts'
import { explainRedis, type RedisProblem } from './problem.ts'
import type { Script } from './script.ts'
import { describeTarget, type RedisTarget } from './target.ts'

/**
 * A request to Redis that did not succeed; whether it was carried out nobody knows. Its code is `REDIS_REFUSED` when
 * trying again does not help.
 */
export class RedisError extends HelloserverError {
  override readonly name = 'RedisError'

  constructor({ text, isPermanent }: RedisProblem, cause: unknown) {
    super(isPermanent ? 'REDIS_REFUSED' : 'REDIS_FAILED', text, { cause })
  }
}

/** How long WAIT may take, in milliseconds: less than a command may. */
const waitMs = 300

type Argument = string | number

/** This host's way to Redis: scripts, and what others publish. It reconnects by itself until it is closed. */
export class RedisLink {
  readonly #target: RedisTarget
  readonly #name: string
  readonly #replicas: number
  readonly #client: RedisClient
  /** All that are to be connected. */
  readonly #clients = new Set<RedisClient>()
  #connections = 0
  /** Why there is no connection: commands fail with less to say. */
  #lastError: unknown

  /**
   * @param name - what the server calls the connections in CLIENT LIST
   * @param replicas - a script has succeeded only when so many replicas have its effects, too; 0 asks none
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

  /** What a server that suits the target calls the way in which it runs. */
  get mode(): 'standalone' | 'cluster' {
    return this.#target.kind === 'cluster' ? 'cluster' : 'standalone'
  }

  /**
   * Which connection this is, from 1; another one may lead to another server. Undefined in a cluster, where each
   * command finds its own.
   */
  get connection(): number | undefined {
    return this.#target.kind === 'cluster' ? undefined : this.#connections
  }

  /** The server for people, without credentials. */
  get description(): string {
    return describeTarget(this.#target)
  }

  /**
   * Resolves when commands can be sent.
   *
   * @throws RedisError when they cannot within `withinMs`, or never will
   */
  async ready(withinMs: number): Promise<void> {
    if (this.#client.status === 'ready') return
    await new Promise<void>((resolve, reject) => {
      const over = () => {
        clearTimeout(timer)
        this.#client.off('ready', onReady)
        this.#client.off('error', onError)
      }
      const onReady = () => {
        over()
        resolve()
      }
      const onError = (error: unknown) => {
        const failure = this.#explain(error)
        if (failure.code !== 'REDIS_REFUSED') return
        over()
        reject(failure)
      }
      const timer = setTimeout(() => {
        over()
        reject(this.#explain(this.#lastError ?? new Error('timed out')))
      }, withinMs)
      this.#client.on('ready', onReady)
      this.#client.on('error', onError)
    })
  }

  /**
   * Runs a script.
   *
   * @returns what it returned, once the replicas that are asked for have its effects
   * @throws RedisError when that is not certain: it may have run, and may yet run
   */
  async run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#bounded(this.#evaluate(script, [keys.length, ...keys, ...args]))
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /**
   * Counts a field of a hash up by one.
   *
   * @returns what it is then, once the replicas that are asked for have it
   * @throws RedisError when that is not certain, like `run`
   */
  async increment(key: string, field: string): Promise<number> {
    try {
      return Number(await this.#bounded(this.#confirmed('hincrby', [key, field, 1])))
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /** What INFO says of a section, by key. */
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
   * Calls `listener` for each message on a channel, and without one whenever it has joined it: those before are lost.
   * A message is a hint to look, no more.
   *
   * @returns what ends it
   */
  subscribe(channel: string, listener: (message?: string) => void): () => void {
    // A connection that subscribes can do nothing else.
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
    // Anew with each connection: the first attempt may have failed, and a second one changes nothing.
    subscriber.on('ready', join)
    // In a cluster, the node that it was subscribed to may have gone, which nobody tells.
    subscriber.on('refresh', join)
    return () => this.#close(subscriber)
  }

  close(): void {
    for (const client of this.#clients) this.#close(client)
  }

  /** By digest; a server that does not know it (it was restarted, its scripts were flushed) gets the source. */
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
    // WAIT counts what this very connection has written, hence one pipeline for both.
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

  /** ioredis bounds each command; in a cluster it tries again by itself, and that is bounded here. */
  #bounded<T>(work: Promise<T>): Promise<T> {
    return this.#target.kind === 'cluster' ? inTime(work) : work
  }

  #open(name: string): RedisClient {
    const client = createClient(this.#target, name)
    this.#clients.add(client)
    client.on('error', (error) => this.#noteFailure(client, error))
    client.on('ready', () => {
      // A cluster that is closed as it looks for its nodes goes on with that, and would look for them for ever.
      if (!this.#clients.has(client)) client.disconnect()
      else this.#lastError = undefined
    })
    client.on('end', () => this.#connectAgain(client))
    return client
  }

  #noteFailure(client: RedisClient, error: unknown): void {
    // Of one that was closed it is no news.
    if (this.#clients.has(client)) this.#lastError = error
  }

  #close(client: RedisClient): void {
    this.#clients.delete(client)
    client.disconnect()
  }

  /**
   * ioredis gives up for good, whatever its retry strategy says, when the Sentinels announce another master while it
   * is about to connect.
   */
  #connectAgain(client: RedisClient): void {
    if (!this.#clients.has(client)) return
    setTimeout(() => {
      // A failure is told by 'error', and followed by another 'end'.
      if (this.#clients.has(client)) client.connect().catch(() => {})
    }, retryDelayMs())
  }

  #explain(error: unknown): RedisError {
    // Without a connection a command fails with that; why there is none says more.
    const isUnconnected = /writeable|isn't ready|max retries|Connection is closed/i.test(
      messageOf(error),
    )
    const cause = causeOf(isUnconnected ? (this.#lastError ?? error) : error)
    const { tls } = this.#target
    const problem = explainRedis(this.description, cause, this.#connections > 0 ? undefined : tls)
    return new RedisError(problem, cause)
  }
}

/** A cluster fails as a whole; what the last of its nodes said is worth more, unless that is nothing. */
function causeOf(error: unknown): unknown {
  const { lastNodeError } = error as { lastNodeError?: Error | null }
  return lastNodeError && lastNodeError.message !== 'Connection is closed.' ? lastNodeError : error
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timed out')), commandTimeoutMs + 100)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
