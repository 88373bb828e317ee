import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import type { Certificates } from './certificates.ts'
import { storeRelease } from './store-release.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface Login {
  readonly tls?: Certificates
  readonly name?: string
  readonly password?: string
}

export interface CliOptions extends Login {
  /** Reaches a server that this process cannot reach, like `Host.wrapper`. */
  readonly wrapper?: readonly string[]
}

/** The time after which a Redis that has not answered counts as absent, in milliseconds. */
const patienceMs = 2_000

/**
 * Runs one command on a connection of its own and returns the reply as redis-cli prints it; an error reply rejects.
 *
 * redis-cli itself runs only where a wrapper is needed: tests poll, and would spend most of their processor time on
 * starting a process for each poll.
 */
export async function redisCli(
  address: Address,
  words: readonly string[],
  { wrapper = [], ...login }: CliOptions = {},
): Promise<string> {
  return wrapper.length > 0
    ? runRedisCli(address, words, wrapper, login)
    : callRedis(address, words, login)
}

async function callRedis(
  { host, port }: Address,
  words: readonly string[],
  { tls, name, password }: Login,
): Promise<string> {
  const client = new Redis({
    host,
    port,
    ...(password !== undefined && { username: name ?? 'default', password }),
    ...(tls && { tls: { ca: readFileSync(tls.authority) } }),
    lazyConnect: true,
    enableReadyCheck: false,
    disableClientInfo: true,
    // Without HELLO, the command is sent even where no reply comes back.
    protocol: 2,
    connectTimeout: patienceMs,
    commandTimeout: patienceMs,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
  })
  // The call rejects with the same error.
  client.on('error', () => {})
  try {
    await client.connect()
    const [command = '', ...args] = words
    return printed((await client.call(command, ...args)) as Reply)
  } finally {
    client.disconnect()
  }
}

type Reply = string | number | null | readonly Reply[]

/** A reply as redis-cli prints it to anything but a terminal. */
function printed(reply: Reply): string {
  if (reply === null) return ''
  return typeof reply === 'object' ? reply.map(printed).join('\n') : String(reply)
}

async function runRedisCli(
  { host, port }: Address,
  words: readonly string[],
  wrapper: readonly string[],
  { tls, name, password }: Login,
): Promise<string> {
  const args = ['-h', host, '-p', String(port), '--no-auth-warning']
  // Where it is unknown, the text of an error reply is the answer.
  if (storeRelease() >= 7) args.push('-e')
  if (tls !== undefined) args.push('--tls', '--cacert', tls.authority)
  if (password !== undefined) args.push('--user', name ?? 'default', '--pass', password)
  const [program = '', ...rest] = [...wrapper, 'redis-cli', ...args, ...words]
  const { stdout } = await promisify(execFile)(program, rest, { timeout: patienceMs })
  return stdout.replace(/\n$/, '')
}
