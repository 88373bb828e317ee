import { messageOf } from '../../../src/errors.ts'
import type { Cleanup } from '../../helpers/cleanup.ts'
import { freePort } from '../../helpers/free-port.ts'
import { Pm2 } from '../../helpers/pm2.ts'
import type { Settings } from '../../helpers/sandbox.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { appSource } from '../app-source.ts'
import { Ledger } from '../ledger.ts'
import { LoadProcess, usualStreams } from '../load/load-process.ts'
import { workerCount } from '../world.ts'
import type { Flavour } from './flavour.ts'

/** A worker that hangs may take as long in both: pm2's own default. */
const readyTimeoutMs = 3_000
/** Crash loops and pm2's own patience make some of it slow. */
const wholeWithinMs = 60_000
/** How much of a log is told when one is not. */
const logTailChars = 4_000

/** The app as one of the two ways runs it, with a load of its own and a ledger of what its clients saw. */
export class Contestant {
  readonly flavour: Flavour
  readonly pm2: Pm2
  readonly ledger = new Ledger()
  readonly #load: LoadProcess
  readonly #settings: Settings

  private constructor(t: Cleanup, flavour: Flavour, port: number) {
    this.flavour = flavour
    this.#settings = { port, workers: workerCount, reload: { readyTimeoutMs } }
    this.#load = new LoadProcess(t, (connection) => this.ledger.settle(connection))
    this.pm2 = new Pm2(t, { config: this.#settings, app: appSource, allow: [/./] })
    this.pm2.describe(flavour.entry(this.pm2.sandbox.appFile))
  }

  static async start(t: Cleanup, flavour: Flavour): Promise<Contestant> {
    const contestant = new Contestant(t, flavour, await freePort())
    await contestant.pm2.do('start', contestant.pm2.ecosystemFile)
    await contestant.settled()
    return contestant
  }

  startLoad(seed: number): void {
    const port = Number(this.#settings['port'])
    this.#load.start([{ name: 'tcp', port, weight: 1 }], seed, usualStreams)
  }

  stopLoad(): Promise<void> {
    return this.#load.stop()
  }

  configure(changes: Settings = {}): void {
    this.pm2.sandbox.configure({ ...this.#settings, ...changes })
  }

  release(source: string = appSource): void {
    this.pm2.sandbox.writeApp(source)
  }

  async settled(): Promise<void> {
    const isWhole = () => this.flavour.isWhole(this.pm2)
    try {
      await waitFor(`all of ${this.flavour.name}`, isWhole, wholeWithinMs)
    } catch (error) {
      const log = this.pm2.sandbox.log().slice(-logTailChars)
      throw new Error(`${messageOf(error)}; the end of its log:\n${log}`, { cause: error })
    }
  }
}
