import { randomInt } from 'node:crypto'
import type { Cleanup } from '../cleanup.ts'
import { isFree } from '../free-port.ts'
import { waitFor } from '../wait-for.ts'
import { RedisServer } from './server.ts'

/** The number of slots in every cluster. */
const slotCount = 16_384

export interface ClusterOptions {
  readonly masters?: number
  /** Replicas of each master. */
  readonly replicas?: number
}

/** A Redis Cluster. */
export class RedisCluster {
  readonly servers: readonly RedisServer[]

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers
  }

  /** Resolves when every server reports that all slots are served. */
  static async start(t: Cleanup, options: ClusterOptions = {}): Promise<RedisCluster> {
    const { masters: count = 3, replicas = 0 } = options
    const members = await Promise.all(
      Array.from({ length: count * (replicas + 1) }, () => Member.start(t)),
    )
    const [first, ...others] = members
    if (first === undefined) throw new RangeError('A cluster has a master at least')
    await Promise.all(others.map((other) => first.meet(other)))
    const masters = members.slice(0, count)
    await Promise.all(masters.map((one, index) => one.serve(index, count)))
    await waitFor('members that know each other', () => all(members, 'known_nodes', members.length))
    await Promise.all(
      members.slice(count).map((one, index) => one.follow(masters[index % count] ?? one)),
    )
    await waitFor('a cluster that serves all slots', async () => {
      const slots = await first.server.command('CLUSTER', 'SLOTS')
      const isKnown = ({ server }: Member) =>
        slots.split('\n').includes(String(server.address.port))
      return members.every(isKnown) && (await all(members, 'state', 'ok'))
    })
    return new RedisCluster(members.map(({ server }) => server))
  }
}

/** Whether every member's CLUSTER INFO has this value. */
async function all(members: readonly Member[], name: string, value: string | number) {
  const infos = await Promise.all(members.map(({ server }) => server.command('CLUSTER', 'INFO')))
  return infos.every((info) => info.split('\r\n').includes(`cluster_${name}:${value}`))
}

class Member {
  readonly server: RedisServer

  private constructor(server: RedisServer) {
    this.server = server
  }

  static async start(t: Cleanup): Promise<Member> {
    const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000']
    return new Member(await RedisServer.start(t, { port: await memberPort(), settings }))
  }

  async meet(other: Member): Promise<void> {
    const { host, port } = other.server.address
    await this.server.command('CLUSTER', 'MEET', host, String(port))
  }

  /** Assigns the member its share of the slots. */
  async serve(index: number, count: number): Promise<void> {
    const bounds = [index, index + 1].map((one) => Math.floor((one * slotCount) / count))
    const [from = 0, to = 0] = bounds
    // Redis 6 has no ADDSLOTSRANGE.
    const slots = Array.from({ length: to - from }, (_, at) => String(from + at))
    await this.server.command('CLUSTER', 'ADDSLOTS', ...slots)
  }

  async follow(master: Member): Promise<void> {
    await this.server.command(
      'CLUSTER',
      'REPLICATE',
      await master.server.command('CLUSTER', 'MYID'),
    )
  }
}

/** How far a member's second port, for the other members, is above its first; Redis 6 knows no other distance. */
const busDistance = 10_000

/** The first port that Linux gives to outgoing connections by itself (ip(7), ip_local_port_range). */
const firstEphemeral = 32_768

/** A free port whose second one is free, too, and both stay so: no outgoing connection gets them. */
async function memberPort(): Promise<number> {
  for (;;) {
    const bus = randomInt(firstEphemeral - busDistance, firstEphemeral)
    if ((await isFree(bus)) && (await isFree(bus - busDistance))) return bus - busDistance
  }
}
