import type { Cleanup } from '../../helpers/cleanup.ts'
import { FullLoad } from '../../helpers/full-load.ts'
import { echoPrefix } from '../exchange.ts'

/** What became of a crowd's connections: so many that only their numbers are known. */
export interface CrowdFigures {
  /** Accepted by the system. */
  readonly connected: number
  readonly right: number
  /** Ended before the whole answer, as when its worker dies. */
  readonly cutOff: number
  /** With a wrong answer, or without an end. */
  readonly wrong: number
  readonly refused: number
  /** The story of each that was not right. */
  readonly stories: readonly string[]
}

/** Clients that connect again and again without a pause, so that the service's workers accept by themselves. */
export class Crowd {
  readonly #load: FullLoad

  private constructor(load: FullLoad) {
    this.#load = load
  }

  static async gather(t: Cleanup, port: number, clients: number): Promise<Crowd> {
    return new Crowd(await FullLoad.start(t, { port, clients, prefix: echoPrefix }))
  }

  /**
   * Each of them ends its connection.
   *
   * @throws Error when they were not there all the time, or had troubles of their own
   */
  async leave(): Promise<CrowdFigures> {
    const { connections, ok: right, failures: stories, ...bad } = await this.#load.stop()
    const { refused } = bad
    if (right === 0 || bad.other > 0) {
      throw new Error(`The crowd says nothing of the service: ${JSON.stringify({ right, ...bad })}`)
    }
    const cutOff = bad.reset + bad.short
    return {
      connected: connections - refused,
      right,
      cutOff,
      wrong: bad.wrong + bad.timeout,
      refused,
      stories,
    }
  }

  /** They vanish. */
  abandon(): void {
    this.#load.abandon()
  }
}
