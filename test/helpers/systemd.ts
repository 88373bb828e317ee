import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type CommandResult, resultOf, type Sandbox } from './sandbox.ts'
import { waitFor } from './wait-for.ts'

/** A currently free TCP port. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  server.close()
  await once(server, 'close')
  return address.port
}

/** A service that is started by the first connection, as its socket unit would start it. */
export interface Activated {
  readonly child: ChildProcess
  readonly ended: Promise<CommandResult>
}

/**
 * Has systemd-socket-activate listen on `addresses`, and run the service in the foreground on the first connection.
 *
 * @param environment - overrides the sandbox's
 * @param wrapper - a program between the two, and its arguments
 */
export function activate(
  t: TestContext,
  sandbox: Sandbox,
  addresses: readonly string[],
  { environment = {}, wrapper = [], options = [] }: ActivateOptions = {},
): Activated {
  // It passes only the variables that it is told to pass.
  const env: NodeJS.ProcessEnv = { ...sandbox.environment, ...environment }
  const passed = Object.keys(env).flatMap((key) => [`--setenv=${key}`])
  const listens = addresses.map((address) => `--listen=${address}`)
  const child = sandbox.spawnThrough(
    ['systemd-socket-activate', ...passed, ...options, ...listens, ...wrapper],
    ['run'],
    { env, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  t.after(() => child.kill('SIGTERM'))
  return { child, ended: resultOf(child) }
}

/** Makes systemd-socket-activate start its program, whatever kind of socket it listens on. */
export function knock(address: string): void {
  const [host, port] = address.split(':')
  const isPath = port === undefined
  const client = isPath ? connect(address) : connect(Number(port), host)
  // Perhaps nobody is listening yet.
  client.on('error', () => {})
  client.end('knock')
  if (isPath) return
  const sender = createSocket('udp4')
  sender.send('knock', Number(port), host, () => sender.close())
}

interface ActivateOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly wrapper?: readonly string[]
  readonly options?: readonly string[]
}

/** The service manager's end of `NOTIFY_SOCKET`: a datagram socket, which Node.js does not have. */
export class NotifySocket {
  readonly path: string
  #received = ''

  constructor(t: TestContext, sandbox: Sandbox) {
    this.path = join(sandbox.runDir, 'notify')
    // Each read by cat returns one datagram.
    const args = ['--datagram', `--listen=${this.path}`, '/bin/sh', '-c', 'exec cat <&3']
    const child = spawn('systemd-socket-activate', args, { stdio: ['ignore', 'pipe', 'ignore'] })
    child.stdout.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString()
    })
    t.after(() => child.kill('SIGKILL'))
  }

  /** The messages so far, each with its fields, in order of arrival. */
  get messages(): string[][] {
    // systemd-notify sends a barrier after each message, to learn that the message was read.
    const parts = this.#received.split('BARRIER=1').slice(0, -1)
    return parts.map((part) => part.split('\n').filter((field) => field !== ''))
  }

  /** Waits for a message with this first field. */
  received(first: string, count = 1): Promise<string[]> {
    return waitFor(
      `the message ${first}`,
      () => this.messages.filter(([field]) => field === first)[count - 1],
    )
  }
}
