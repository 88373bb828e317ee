import type { Cleanup } from '../../helpers/cleanup.ts'
import { FullLoad } from '../../helpers/full-load.ts'
import { echoPrefix } from '../exchange.ts'

/** What became of a crowd's connections: so many that only their numbers are known. */
export interface CrowdFigures {
  /** Accepted by the system. */
  readonly connected: number
  readonly right: number
  readonly lost: number
  readonly refused: number
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

  /** Each of them ends its connection. */
  async leave(): Promise<CrowdFigures> {
    const { connections, ok: right, refused } = await this.#load.stop()
    const connected = connections - refused
    return { connected, right, lost: connected - right, refused }
  }
}
