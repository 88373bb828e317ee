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
}

/** How long a load runs if nobody stops it, in seconds. */
const longestS = 120

let programs: ReturnType<typeof compileNative> | undefined

/** Clients that connect again and again without a pause; each sends a line of its own, and compares the answer. */
export class FullLoad {
  readonly #process: ChildProcess
  readonly #figures: Promise<string>

  private constructor(t: Cleanup, program: string, port: number, clients: number, host: string) {
    const options = { host, port, clients, seconds: longestS }
    const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    const load = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => void load.kill('SIGKILL'))
    this.#process = load
    this.#figures = text(load.stdout)
  }

  static async start(
    t: Cleanup,
    port: number,
    clients: number,
    host = '127.0.0.1',
  ): Promise<FullLoad> {
    programs ??= compileNative()
    const { load } = await programs
    return new FullLoad(t, load, port, clients, host)
  }

  /** Every client finishes its connection. */
  async stop(): Promise<LoadFigures> {
    this.#process.kill('SIGTERM')
    return JSON.parse(await this.#figures) as LoadFigures
  }
}
