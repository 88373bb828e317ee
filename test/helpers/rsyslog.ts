import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cleanup } from './cleanup.ts'
import { freePort } from './free-port.ts'
import { waitFor } from './wait-for.ts'

/** A real rsyslogd with its own socket, ports and file. */
export class Rsyslog {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hsr-'))
  readonly #received = join(this.#folder, 'received')
  readonly #pidFile = join(this.#folder, 'pid')
  readonly socket = join(this.#folder, 'log.sock')
  readonly port: number
  #child: ChildProcess | undefined

  private constructor(port: number) {
    this.port = port
  }

  /** Starts a server that accepts lines; it ends after the test. */
  static async start(t: Cleanup): Promise<Rsyslog> {
    const rsyslog = new Rsyslog(await freePort())
    t.after(async () => {
      await rsyslog.stop()
      rmSync(rsyslog.#folder, { recursive: true, force: true })
    })
    rsyslog.#configure()
    await rsyslog.run()
    return rsyslog
  }

  /** The received messages, one per line: facility and severity, identity, process, version of the format, message. */
  get received(): string {
    return existsSync(this.#received) ? readFileSync(this.#received, 'utf8') : ''
  }

  async run(): Promise<void> {
    const config = join(this.#folder, 'rsyslog.conf')
    this.#child = spawn('rsyslogd', ['-n', '-f', config, '-i', this.#pidFile], { stdio: 'ignore' })
    await waitFor('rsyslogd', () => existsSync(this.#pidFile) && existsSync(this.socket))
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }

  #configure(): void {
    const at = `port="${this.port}" address="127.0.0.1"`
    const format =
      '%syslogfacility-text%.%syslogseverity-text% %app-name% %procid% %protocol-version% %msg:::drop-last-lf%\\n'
    const lines = [
      `global(workDirectory="${this.#folder}")`,
      'module(load="imuxsock" SysSock.Use="off")',
      `input(type="imuxsock" Socket="${this.socket}")`,
      'module(load="imudp")',
      `input(type="imudp" ${at})`,
      'module(load="imtcp")',
      `input(type="imtcp" ${at})`,
      `template(name="shown" type="string" string="${format}")`,
      `*.* action(type="omfile" file="${this.#received}" template="shown")`,
    ]
    writeFileSync(join(this.#folder, 'rsyslog.conf'), `${lines.join('\n')}\n`)
  }
}
