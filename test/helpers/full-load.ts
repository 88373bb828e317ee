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
  readonly #exited: Promise<unknown>

  private constructor(t: Cleanup, program: string, options: FullLoadOptions) {
    const words = Object.entries({ ...options, seconds: longestS }).map(
      ([name, value]) => `--${name}=${value}`,
    )
    const load = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => void load.kill('SIGKILL'))
    this.#process = load
    this.#figures = text(load.stdout)
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
    const [figures] = await Promise.all([this.#figures, this.#exited])
    const { exitCode, signalCode } = this.#process
    if (isRunning && exitCode === 0) return JSON.parse(figures) as LoadFigures
    throw new Error(`The load has ended by itself, or badly: ${signalCode ?? `status ${exitCode}`}`)
  }

  /** Ends it without a result. */
  abandon(): void {
    this.#process.kill('SIGKILL')
  }
}
