import { Proxy } from '../../helpers/proxy.ts'
import { RedisServer } from '../../helpers/redis/server.ts'
import type { Contender } from '../contender/contender.ts'
import type { Setting, Stage } from '../fault.ts'
import { Fleet } from '../fleet.ts'

/** One Redis that keeps its data on disk, and each contender's own way to it. */
export interface SingleStage extends Stage {
  readonly redis: RedisServer
  /** What lies between a contender and Redis. */
  wayOf(contender: Contender): Proxy
}

export const single: Setting<SingleStage> = {
  name: 'one Redis',
  async open(t, options) {
    const redis = await RedisServer.start(t, { isDurable: true, hasFakedClock: true })
    const ways = await Promise.all([0, 1, 2].map(() => Proxy.start(t, redis.address.port)))
    const places = ways.map(({ port }) => ({ url: `redis://127.0.0.1:${port}` }))
    const fleet = await Fleet.open(t, options, places)
    return {
      fleet,
      redis,
      wayOf(contender) {
        const way = ways[fleet.contenders.indexOf(contender)]
        if (way === undefined) throw new Error(`There is no way of ${contender.name}`)
        return way
      },
    }
  },
}
