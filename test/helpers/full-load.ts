import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { compileNative } from '../../bench/native.ts'
import type { Cleanup } from './cleanup.ts'

/** How a load's connections ended, by its own count. */
export interface LoadFigures {
  readonly connections: number
  readonly ok: number
  readonly refused: number
  readonly reset: number
  readonly short: number
  readonly wrong: number
  readonly timeout: number
  readonly other: number
  /** What its client knows of each that was not `ok`, as JSON. */
  readonly failures: readonly string[]
}

export interface FullLoadOptions {
  readonly port: number
  readonly clients: number
  /** In 127.0.0.0/8. */
  readonly host?: string
  /** The first bytes of each line. */
  readonly prefix?: string
}

/** After so many seconds, nobody will stop a load any more. */
const longestS = 600

let programs: ReturnType<typeof compileNative> | undefined

/** Clients that connect again and again without a pause; each sends a line of its own, and compares the answer. */
export class FullLoad {
  readonly #process: ChildProcess
  readonly #figures: Promise<string>
  readonly #failures: Promise<string>
  readonly #exited: Promise<unknown>

  private constructor(t: Cleanup, program: string, options: FullLoadOptions) {
    const words = Object.entries({ ...options, seconds: longestS }).map(
      ([name, value]) => `--${name}=${value}`,
    )
    const load = spawn(program, ['--tell-failures', ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    t.after(() => void load.kill('SIGKILL'))
    this.#process = load
    this.#figures = text(load.stdout)
    this.#failures = text(load.stderr)
    this.#exited = once(load, 'exit')
  }

  static async start(t: Cleanup, options: FullLoadOptions): Promise<FullLoad> {
    programs ??= compileNative()
    const { load } = await programs
    return new FullLoad(t, load, options)
  }

  /**
   * Every client finishes its connection.
   *
   * @throws Error when the load has ended before, since nobody can tell when that was
   */
  async stop(): Promise<LoadFigures> {
    const isRunning = this.#process.kill('SIGTERM')
    const [figures, failures] = await Promise.all([this.#figures, this.#failures, this.#exited])
    const { exitCode, signalCode } = this.#process
    const lines = failures.split('\n').filter((line) => line !== '')
    if (isRunning && exitCode === 0) return { ...JSON.parse(figures), failures: lines }
    const how = signalCode ?? `status ${exitCode}`
    throw new Error(`The load has ended by itself, or badly, with ${how}: ${lines.at(-1) ?? ''}`)
  }

  /** Ends it without a result. */
  abandon(): void {
    this.#process.kill('SIGKILL')
  }
}
