import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Cleanup } from './cleanup.ts'
import { waitFor, within } from './wait-for.ts'

/** A real HAProxy with a configuration of the test's own; ended after the test. */
export class Haproxy {
  readonly #socket: string
  readonly #child: ChildProcess

  private constructor(folder: string, config: string) {
    this.#socket = join(folder, 'admin.sock')
    const file = join(folder, 'haproxy.cfg')
    writeFileSync(
      file,
      `global
  stats socket ${this.#socket} mode 600 level admin
  maxconn 2000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 2s
${config}
`,
    )
    this.#child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  }

  /** @param config - its frontends and backends */
  static async start(t: Cleanup, config: string): Promise<Haproxy> {
    const folder = mkdtempSync(join(tmpdir(), 'hs-haproxy-'))
    const proxy = new Haproxy(folder, config)
    t.after(async () => {
      await proxy.#stop()
      rmSync(folder, { recursive: true, force: true })
    })
    await waitFor('HAProxy', () => proxy.ask('show info').catch(() => undefined))
    return proxy
  }

  /** The answer to a command of its administration. */
  async ask(command: string): Promise<string> {
    const socket = connect(this.#socket)
    await once(socket, 'connect')
    socket.write(`${command}\n`)
    return within('an answer of HAProxy', text(socket))
  }

  /** Whether it sends clients to a server, by its checks. */
  async isUp(server: string): Promise<boolean> {
    const rows = (await this.ask('show stat')).split('\n')
    const names = rows[0]?.replace('# ', '').split(',') ?? []
    const row = rows.map((one) => one.split(',')).find((one) => one[1] === server)
    return row?.[names.indexOf('status')]?.startsWith('UP') ?? false
  }

  async #stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
  }
}
