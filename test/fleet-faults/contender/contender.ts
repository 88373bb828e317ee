import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { monotonicMs } from '../../../src/clock.ts'
import type { Cleanup } from '../../helpers/cleanup.ts'
import type { Host } from '../../helpers/network.ts'
import { isStopped, signalTo } from '../../helpers/processes.ts'
import { waitFor, within } from '../../helpers/wait-for.ts'
import { type Entry, Journal } from '../journal.ts'
import type { ContenderOptions, FromContender, ToContender } from './messages.ts'

const program = fileURLToPath(new URL('./program.js', import.meta.url))

/** A contender's process, which can be started again. */
export class Contender {
  readonly name: string
  readonly host: Host | undefined
  readonly #options: ContenderOptions
  readonly #journal: Journal<Entry>
  #child: ChildProcess | undefined

  constructor(t: Cleanup, options: ContenderOptions, host?: Host) {
    this.name = options.name
    this.host = host
    this.#options = options
    this.#journal = new Journal(options.journal)
    t.after(() => this.kill())
  }

  get isRunning(): boolean {
    return this.#child !== undefined
  }

  /** Resolves when the process tries to acquire the lease. */
  async start(): Promise<void> {
    const node = [process.execPath, program, JSON.stringify(this.#options)]
    const [command = '', ...args] = [...(this.host?.wrapper ?? []), ...node]
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child = child
    await this.#says('ready')
    this.#tell({ kind: 'acquire' })
  }

  /** Kills the process. Its tenure ends here, since it cannot report that itself. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
    this.#journal.write({ kind: 'ended', atMs: monotonicMs(), cause: 'killed' })
  }

  acquire(): void {
    this.#tell({ kind: 'acquire' })
  }

  /** Releases the lease; resolves when that is done. */
  async release(): Promise<void> {
    const released = this.#says('released')
    this.#tell({ kind: 'release' })
    await released
  }

  /** Keeps its event loop busy. */
  block(ms: number): void {
    this.#tell({ kind: 'block', ms })
  }

  async pause(): Promise<void> {
    const pid = this.#child?.pid ?? 0
    signalTo(pid, 'SIGSTOP')
    await waitFor('the pause of a contender', () => isStopped(pid))
  }

  resume(): void {
    signalTo(this.#child?.pid ?? 0, 'SIGCONT')
  }

  /** Returns the entries that the process has written since the last call. */
  read(): Entry[] {
    return this.#journal.read()
  }

  #tell(message: ToContender): void {
    this.#child?.send(message)
  }

  async #says(what: FromContender): Promise<void> {
    const child = this.#child
    if (child === undefined) throw new Error(`The contender ${this.name} does not run`)
    const said = new Promise<void>((resolve, reject) => {
      const onMessage = (message: unknown) => {
        if (message !== what) return
        child.off('message', onMessage)
        resolve()
      }
      child.on('message', onMessage)
      child.once('exit', () => reject(new Error(`The contender ${this.name} has ended`)))
    })
    await within(`"${what}" from ${this.name}`, said)
  }
}
