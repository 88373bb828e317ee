import type { StartedTarget } from './measurement.ts'
import type { Options } from './options.ts'
import { messageOf } from './program.ts'
import { freePort } from './readiness.ts'
import { type Target, type TargetName, type TlsFiles, UnavailableError } from './targets/target.ts'

/** A target that cannot run here, and why. */
export interface LeftOut {
  readonly target: TargetName
  readonly reason: string
}

/** What every experiment needs: the targets, the load generator, and the settings. */
export class Bench {
  readonly options: Options
  /** Path of the load generator. */
  readonly program: string
  /** Its abort ends the run. */
  readonly signal: AbortSignal
  /** Receives one line for each measurement as it ends. */
  readonly progress: (line: string) => void
  readonly #targets: readonly Target[]
  readonly #leftOut = new Map<TargetName, string>()

  constructor(
    options: Options,
    program: string,
    targets: readonly Target[],
    progress: (line: string) => void,
    signal: AbortSignal,
  ) {
    this.options = options
    this.program = program
    this.signal = signal
    this.progress = progress
    this.#targets = targets
  }

  /** The targets that were chosen and can run here, as far as is known. */
  get targets(): Target[] {
    return this.#targets.filter(({ name }) => !this.#leftOut.has(name))
  }

  get leftOut(): LeftOut[] {
    return [...this.#leftOut].map(([target, reason]) => ({ target, reason }))
  }

  /**
   * Starts targets, does some work with those that can run here, and ends them. They are all up throughout; those not
   * under load do next to nothing.
   *
   * @param setups a target may occur more than once, with different numbers of workers
   */
  async withTargets<T>(
    setups: readonly {
      readonly target: Target
      readonly workers: number
      readonly tls?: TlsFiles
    }[],
    work: (started: StartedTarget[]) => Promise<T>,
  ): Promise<T> {
    const started: StartedTarget[] = []
    try {
      for (const { target, workers, tls } of setups) {
        const one = await this.#start(target, workers, tls)
        if (one !== null) started.push(one)
      }
      return await work(started)
    } finally {
      await this.#stopAll(started)
    }
  }

  async #start(target: Target, workers: number, tls?: TlsFiles): Promise<StartedTarget | null> {
    const { name } = target
    if (this.#leftOut.has(name)) return null
    this.signal.throwIfAborted()
    this.progress(`Starting ${name}${target.hasWorkers ? ` with ${workers} workers` : ''}`)
    const port = await freePort()
    try {
      const running = await target.start({ port, workers, ...(tls && { tls }) }, this.signal)
      return { name, port, workers, running, pids: new Set(await running.pids()) }
    } catch (error) {
      if (!(error instanceof UnavailableError)) {
        throw new Error(`Target ${name} did not start: ${messageOf(error)}`, { cause: error })
      }
      this.#leftOut.set(name, error.message)
      this.progress(`Target ${name} is left out: ${error.message}`)
      return null
    }
  }

  /** A target that does not stop must not keep the others from being stopped. */
  async #stopAll(started: readonly StartedTarget[]): Promise<void> {
    for (const { name, running } of started.toReversed()) {
      try {
        await running.stop()
      } catch (error) {
        process.exitCode = 1
        this.progress(`Target ${name} did not stop: ${messageOf(error)}`)
      }
    }
  }
}
