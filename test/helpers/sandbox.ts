import assert from 'node:assert/strict'
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { environmentIn, variables } from '../../src/config/environment.ts'
import { runFiles } from '../../src/config/run-dir.ts'
import type { Started } from '../../src/launch/boot-report.ts'
import { launch } from '../../src/launch/launch.ts'
import type { Cleanup } from './cleanup.ts'
import { asUser } from './other-user.ts'
import { endOfAll, hasVariable, processesWith, signalTo } from './processes.ts'
import { waitFor, within } from './wait-for.ts'

/** The program of the command line. */
export const cliModule = fileURLToPath(new URL('../../src/bin/cli.js', import.meta.url))
const echoApp = new URL('../../apps/helloserver/app.js', import.meta.url).href

export type Settings = Readonly<Record<string, unknown>>

export interface SandboxOptions {
  /** The configuration file; by default, it names a free port on the loopback address. */
  readonly config?: Settings
  /** The source of the app's module; by default, the shipped app. */
  readonly app?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Error and fatal log lines that the test provokes. */
  readonly allow?: readonly RegExp[]
  /** Runs everything as this user, who owns the folder; by default, as the user who runs the tests. */
  readonly uid?: number
  /** The limit on open files for its processes. */
  readonly files?: number
  /** The Node.js that runs the service; everything else runs on that of the tests. */
  readonly node?: string
}

/** The result of a command. */
export interface CommandResult {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * A folder with an app, its configuration and a run directory. When the test ends, everything started in it is ended,
 * and the test fails if anything is left behind.
 */
export class Sandbox {
  readonly #options: SandboxOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'hst-'))
  readonly runDir = join(this.#folder, 'run')
  readonly configFile = join(this.#folder, 'config.json')
  readonly appFile = join(this.#folder, 'app.js')
  readonly pidFile = join(this.runDir, 'helloserver.pid')
  readonly socketFile = join(this.runDir, 'helloserver.sock')
  readonly logFile = join(this.runDir, 'helloserver.log')
  readonly logCursorFile = join(this.runDir, 'helloserver.log.cursor')
  /** The file in which an app leaves marks for its test. */
  readonly recordFile = join(this.#folder, 'record')

  constructor(t: Cleanup, options: SandboxOptions = {}) {
    this.#options = options
    mkdirSync(this.runDir, { mode: 0o700 })
    const { uid } = options
    if (uid !== undefined) for (const path of [this.#folder, this.runDir]) chownSync(path, uid, uid)
    this.configure(options.config)
    this.writeApp(options.app)
    t.after(() => this.#close())
  }

  configure(config: Settings = {}): void {
    const where = 'listen' in config ? {} : { host: '127.0.0.1', port: 0 }
    // Whoever kills a primary means the end of the service, unless the test is about the next primary.
    const whole = { ...where, workers: 1, rescue: { waitMs: 0 }, ...config }
    writeFileSync(this.configFile, JSON.stringify(whole))
  }

  writeApp(source = `export { default } from '${echoApp}'\n`): void {
    const folder = `const folder = ${JSON.stringify(this.#folder)}\n`
    const record = `const recordFile = ${JSON.stringify(this.recordFile)}\n`
    writeFileSync(this.appFile, `${folder}${record}${source}`)
  }

  /** Everything that the app has appended to its record. */
  get record(): string {
    return existsSync(this.recordFile) ? readFileSync(this.recordFile, 'utf8') : ''
  }

  /** Leaves a mark for the app. */
  mark(): void {
    writeFileSync(this.recordFile, '')
  }

  /** Removes the mark. */
  unmark(): void {
    rmSync(this.recordFile)
  }

  get environment(): NodeJS.ProcessEnv {
    // `npm test -- --portable` chooses the hand-off for all.
    const inherited = Object.entries(process.env).filter(
      ([key]) => !key.startsWith('HELLOSERVER_') || key === variables.native,
    )
    return {
      ...Object.fromEntries(inherited),
      HELLOSERVER_RUN_DIR: this.runDir,
      HELLOSERVER_CONFIG: this.configFile,
      ...this.#options.environment,
    }
  }

  /**
   * Starts the daemon; rejects when it neither serves nor stands by.
   *
   * The test does the work of the command and the bridge itself: another process for each start would take a third of
   * its time. A start as another user or under other limits goes through the command line.
   */
  async start(): Promise<Started> {
    const { uid, files, node, environment = {} } = this.#options
    const known = new Set<string>(Object.values(variables))
    const isPlain = Object.keys(environment).every((variable) => known.has(variable))
    if (isPlain && [uid, files, node].every((one) => one === undefined)) {
      const given = environmentIn(this.environment)
      return launch(runFiles('helloserver', given), given)
    }
    const { status, stdout, stderr } = await this.cli('start', '--json')
    assert.equal(status, 0, `The start failed: ${stderr}`)
    return JSON.parse(stdout) as Started
  }

  /** Runs a command to its end. */
  async cli(...args: string[]): Promise<CommandResult> {
    const child = this.spawn(args, { stdio: ['ignore', 'pipe', 'pipe'] })
    return within(`helloserver ${args.join(' ')}`, resultOf(child))
  }

  spawn(args: readonly string[], options: SpawnOptions): ChildProcess {
    return this.spawnThrough([], args, options)
  }

  /** Starts the command through another program: `wrapper` is that program and its arguments. */
  spawnThrough(
    wrapper: readonly string[],
    args: readonly string[],
    options: SpawnOptions,
  ): ChildProcess {
    const { uid, files } = this.#options
    const bounded = files === undefined ? [] : ['prlimit', `--nofile=${files}`]
    const isService = args[0] === 'start' || args[0] === 'run'
    const node = (isService ? this.#options.node : undefined) ?? process.execPath
    const as = [...bounded, ...(uid === undefined ? [] : asUser(uid))]
    const [program = '', ...rest] = [...wrapper, ...as, node, cliModule, ...args]
    return spawn(program, rest, { env: this.environment, ...options })
  }

  /** The PIDs of all running processes that were started here. */
  processes(): number[] {
    return processesWith(this.#mark)
  }

  /** Waits until none of them is running. */
  allEnded(): Promise<void> {
    return endOfAll('every process', this.#mark)
  }

  /** The part of their environment by which they are known. */
  get #mark(): string {
    return `HELLOSERVER_RUN_DIR=${this.runDir}`
  }

  /** The daemon's log. */
  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''
  }

  /** Waits for a log line that matches. */
  logged(pattern: RegExp): Promise<string> {
    return waitFor(`a log line ${pattern}`, () => this.log().match(pattern)?.[0])
  }

  /** Fails if a process, the PID file or the control socket is left. */
  async assertNothingLeft(): Promise<void> {
    await this.allEnded()
    assert.equal(existsSync(this.pidFile), false, 'the PID file is left behind')
    assert.equal(existsSync(this.socketFile), false, 'the control socket is left behind')
  }

  /** Fails if the log reports an error that the test did not provoke. */
  assertQuiet(log: string): void {
    const isAllowed = (line: string) =>
      this.#options.allow?.some((some) => some.test(line)) ?? false
    const bad = log
      .split('\n')
      .filter((line) => line !== '' && !/^\{"level":"(trace|debug|info|warn)"/.test(line))
      .filter((line) => !isAllowed(line))
    assert.deepEqual(bad, [], 'unexpected log lines')
  }

  async #close(): Promise<void> {
    try {
      await this.#end()
      await this.assertNothingLeft()
      this.assertQuiet(this.log())
    } catch (error) {
      for (const pid of this.processes()) signalTo(pid, 'SIGKILL')
      throw error
    } finally {
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }

  /** Ends a daemon that the test left running. */
  async #end(): Promise<void> {
    if (!existsSync(this.pidFile)) return
    const pid = Number.parseInt(readFileSync(this.pidFile, 'utf8'), 10)
    if (hasVariable(pid, this.#mark)) signalTo(pid, 'SIGTERM')
  }
}

/** The output of a child process, and how it ended. */
export async function resultOf(child: ChildProcess): Promise<CommandResult> {
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.once('close', (status, signal) => resolve([status, signal])),
  )
  const [stdout, stderr] = await Promise.all(
    [child.stdout, child.stderr].map((stream) =>
      stream === null ? Promise.resolve('') : text(stream),
    ),
  )
  const [status, signal] = await ended
  return { status, signal, stdout: stdout ?? '', stderr: stderr ?? '' }
}
