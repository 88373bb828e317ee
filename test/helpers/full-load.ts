import { type ChildProcess, spawn } from 'node:child_process'
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

/** How long a load runs if nobody stops it, in seconds. */
const longestS = 120

let programs: ReturnType<typeof compileNative> | undefined

/** Clients that connect again and again without a pause; each sends a line of its own, and compares the answer. */
export class FullLoad {
  readonly #process: ChildProcess
  readonly #figures: Promise<string>

  private constructor(t: Cleanup, program: string, options: FullLoadOptions) {
    const words = Object.entries({ ...options, seconds: longestS }).map(
      ([name, value]) => `--${name}=${value}`,
    )
    const load = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => void load.kill('SIGKILL'))
    this.#process = load
    this.#figures = text(load.stdout)
  }

  static async start(t: Cleanup, options: FullLoadOptions): Promise<FullLoad> {
    programs ??= compileNative()
    const { load } = await programs
    return new FullLoad(t, load, options)
  }

  /** Every client finishes its connection. */
  async stop(): Promise<LoadFigures> {
    this.#process.kill('SIGTERM')
    return JSON.parse(await this.#figures) as LoadFigures
  }
}
