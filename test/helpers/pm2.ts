import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Status } from '../../src/status.ts'
import type { Cleanup } from './cleanup.ts'
import { Load } from './load.ts'
import { listOf, sendSignal, trigger } from './pm2-daemon.ts'
import { endOfAll, isAlive, processesWith, signalTo } from './processes.ts'
import { type CommandResult, resultOf, Sandbox, type SandboxOptions } from './sandbox.ts'
import { type Service, serviceAt, statusIn } from './service-in.ts'
import { waitFor, within } from './wait-for.ts'

const checkout = new URL('../../../', import.meta.url)
/** `npm run matrix` runs the tests with other releases of pm2. */
const pm2Folder = process.env['MATRIX_PM2'] ?? fileURLToPath(new URL('node_modules/pm2', checkout))
const pm2Program = join(pm2Folder, 'bin/pm2')
const runtimeProgram = join(pm2Folder, 'bin/pm2-runtime')
const shippedFile = new URL('ecosystem.config.js', checkout)
/** The checkout, and the bridge of this build. */
export const shipped = {
  folder: fileURLToPath(checkout),
  bridge: fileURLToPath(new URL('../../src/bin/bridge.cjs', import.meta.url)),
}

/** A pm2 command that drains takes as long as the drain. */
const commandMs = 60_000

export interface Pm2Options extends SandboxOptions {
  /** Settings of the ecosystem file's entry, which override the shipped ones. */
  readonly entry?: Readonly<Record<string, unknown>>
}

/** A process as listed by `pm2 jlist`. */
export interface Pm2Process {
  readonly name: string
  readonly pid: number
  readonly pm_id: number
  readonly pm2_env: {
    readonly status: string
    readonly restart_time: number
    readonly exit_code?: number
    readonly axm_actions: readonly { readonly action_name: string }[]
    readonly axm_options: {
      readonly pid?: number
      readonly human_info?: readonly (readonly [string, string])[]
    }
    readonly axm_monitor: Readonly<Record<string, { readonly value: string | number }>>
  }
}

/**
 * A separate pm2: its own folder (PM2_HOME), hence its own daemon, and a sandbox for the service that it runs. Both
 * end with the test, which fails if anything is left behind.
 */
export class Pm2 {
  readonly home = mkdtempSync(join(tmpdir(), 'hs-pm2-'))
  readonly ecosystemFile = join(this.home, 'ecosystem.config.mjs')
  readonly sandbox: Sandbox
  /** Added to the environment of subsequent commands. */
  environment: Readonly<Record<string, string>> = {}
  /** The working directory of the commands. */
  folder = this.home
  /** A program that starts the commands, and its arguments. */
  wrapper: readonly string[] = []
  readonly #loads: Load[] = []
  readonly #problems: unknown[] = []

  constructor(t: Cleanup, options: Pm2Options = {}) {
    // Hooks run in this order: pm2 ends before the service that it runs, and a failed hook does not prevent the
    // others.
    t.after(() => this.#end())
    this.sandbox = new Sandbox(t, options)
    t.after(() => this.#report())
    this.describe(options.entry)
  }

  /** Writes the ecosystem file: the shipped entry with changes. */
  describe(entry: Readonly<Record<string, unknown>> = {}): void {
    const over = JSON.stringify({ script: shipped.bridge, ...entry }, null, 2)
    const lines = [
      `import { apps as shipped } from '${shippedFile.href}'`,
      `export const apps = shipped.slice(0, 1).map((entry) => ({ ...entry, ...${over} }))`,
    ]
    writeFileSync(this.ecosystemFile, `${lines.join('\n')}\n`)
  }

  /** The environment of a command. */
  get commandEnvironment(): NodeJS.ProcessEnv {
    return {
      ...this.sandbox.environment,
      PM2_HOME: this.home,
      PM2_DISABLE_VERSION_CHECK: 'true',
      ...this.environment,
    }
  }

  /** A command as a user types it. */
  commandLine(command: string): string {
    return `"${process.execPath}" "${pm2Program}" ${command}`
  }

  /** Runs a pm2 command to its end. */
  async run(...args: string[]): Promise<CommandResult> {
    const child = this.#spawn(process.execPath, [pm2Program, ...args])
    return within(`pm2 ${args.join(' ')}`, resultOf(child), commandMs)
  }

  /**
   * Runs pm2 in the foreground on the ecosystem file, as a container does.
   *
   * @param wrapper - a program that starts it, and its arguments
   */
  runtime(t: Cleanup, wrapper: readonly string[] = []): ChildProcess {
    const [program, ...args] = [...wrapper, process.execPath, runtimeProgram]
    const child = this.#spawn(program, [...args, 'start', this.ecosystemFile])
    t.after(() => void child.kill('SIGKILL'))
    return child
  }

  /** Runs a command that must succeed. */
  async do(...args: string[]): Promise<void> {
    const { status, stdout, stderr } = await this.run(...args)
    assert.equal(status, 0, `pm2 ${args.join(' ')} failed:\n${stdout}${stderr}`)
  }

  /** Runs `pm2 start` on the ecosystem file; returns the service, which is serving by then. */
  async start(): Promise<Service> {
    await this.do('start', this.ecosystemFile)
    // If an entry gives the app less time than a busy machine needs, pm2 reports it as started before it is.
    await waitFor('a service under pm2', async () => {
      const status = await this.status().catch(() => undefined)
      return status !== undefined && status.state !== 'starting' && status.state !== 'binding'
    })
    return this.service()
  }

  /** The service that is running now. */
  async service(): Promise<Service> {
    const { pid, listen } = await this.status()
    return serviceAt(this.sandbox, pid, listen.port)
  }

  /** Starts clients that ask until they are told to stop, at the latest when the test ends. */
  load(port: number, clients: number): Load {
    const load = new Load(port, clients)
    this.#loads.push(load)
    return load
  }

  /** The status of the service. */
  status(): Promise<Status> {
    return statusIn(this.sandbox)
  }

  /** Every process that pm2 lists. */
  async processes(): Promise<Pm2Process[]> {
    return this.daemonPid === undefined ? [] : ((await listOf(this.home)) as Pm2Process[])
  }

  /** The only process that pm2 lists: the bridge. */
  async bridge(): Promise<Pm2Process> {
    const [bridge, ...others] = await this.processes()
    assert.ok(bridge !== undefined && others.length === 0, 'pm2 lists no process, or several')
    return bridge
  }

  /** Sends the app a signal, as `pm2 sendSignal` does. */
  signal(signal: NodeJS.Signals): Promise<void> {
    return sendSignal(this.home, signal, 'helloserver')
  }

  /** Triggers an action of the app, as `pm2 trigger` does, and returns its answer. */
  trigger(action: string, parameter?: string): Promise<unknown> {
    return trigger(this.home, 'helloserver', action, parameter)
  }

  /** Waits until pm2 lists the app with this status. */
  async isListed(status: string): Promise<Pm2Process> {
    let last = ''
    const listed = async () => {
      const bridge = await this.bridge()
      last = bridge.pm2_env.status
      return last === status ? bridge : undefined
    }
    try {
      return await waitFor(`"${status}" in pm2's list`, listed)
    } catch (error) {
      const told = `pm2 lists the app as "${last}", not as "${status}"`
      throw new Error(`${told}:\n${this.#lastWords()}`, { cause: error })
    }
  }

  /** The log that pm2 keeps of the app: both streams of all its processes. */
  log(): string {
    const folder = join(this.home, 'logs')
    if (!existsSync(folder)) return ''
    return readdirSync(folder)
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .join('')
  }

  /** The last lines of pm2's own log and of the app's, for diagnosing a failure. */
  #lastWords(): string {
    const own = readFileSync(join(this.home, 'pm2.log'), 'utf8')
    return [own, this.log()].flatMap((text) => text.split('\n').slice(-40)).join('\n')
  }

  /** Waits for a line in pm2's log of the app. */
  async logged(pattern: RegExp): Promise<string> {
    try {
      return await waitFor(`a line ${pattern} in pm2's log`, () => this.log().match(pattern)?.[0])
    } catch (error) {
      throw new Error(`pm2's log ends with:\n${this.log().slice(-3_000)}`, { cause: error })
    }
  }

  /** The PID of the daemon, if it is running. */
  get daemonPid(): number | undefined {
    const file = join(this.home, 'pm2.pid')
    const pid = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : 0
    return pid > 0 && isAlive(pid) ? pid : undefined
  }

  /** Kills the daemon as a crash would, and waits until its processes have gone, too. */
  async killDaemon(): Promise<void> {
    signalTo(this.daemonPid ?? 0, 'SIGKILL')
    await endOfAll('pm2', this.#mark)
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const [first = '', ...rest] = [...this.wrapper, program, ...args]
    return spawn(first, rest, {
      cwd: this.folder,
      env: this.commandEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** The part of their environment by which the daemon and its processes are known. */
  get #mark(): string {
    return `PM2_HOME=${this.home}`
  }

  async #end(): Promise<void> {
    // A failed test has not stopped its loads; those that hang end with the service.
    for (const load of this.#loads) load.stop().catch(() => {})
    try {
      // The same as "pm2 kill", without another start of pm2.
      if (this.daemonPid !== undefined) signalTo(this.daemonPid, 'SIGTERM')
      await endOfAll('pm2', this.#mark)
      this.sandbox.assertQuiet(this.log())
    } catch (error) {
      this.#problems.push(error)
      for (const pid of processesWith(this.#mark)) signalTo(pid, 'SIGKILL')
    }
    rmSync(this.home, { recursive: true, force: true })
  }

  #report(): void {
    if (this.#problems.length > 0) throw this.#problems[0]
  }
}
