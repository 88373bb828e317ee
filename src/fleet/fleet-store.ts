import { HelloserverError } from '../errors.ts'
import type { RedisLink } from '../redis/link.ts'
import type { Script } from '../redis/script.ts'
import { acceptScript, buildScript, clearScript, refuseScript } from './build-scripts.ts'
import type { FleetDesk, FleetView, HostFacts, RefusedBuild } from './fleet.ts'
import type { DownHost, Purpose } from './fleet-status.ts'
import { fleetKeysOf } from './keys.ts'
import { askScript, beatScript, forgetScript, leaveScript, viewScript } from './scripts.ts'
import { buildViewOf, hostViewOf, pairs } from './views.ts'

/** A host, as the scripts see it. */
export interface Member {
  readonly host: string
  /** Unique for each start of a service; kept across its upgrades. */
  readonly instance: string
  /** How many hosts may be down at a time. */
  readonly maxDown: number
}

/** What a heartbeat reports. */
export interface Beat {
  readonly facts: HostFacts
  readonly isUp: boolean
  readonly hasBeenUp: boolean
  readonly hasRegistered: boolean
  readonly permit: Purpose | 'waiting' | null
}

/** The answer to a heartbeat: the number of other hosts, and any other instance that claims this host's name. */
export interface Registration {
  readonly others: number
  readonly rival: HostFacts | undefined
}

export type PermitAnswer =
  | { readonly kind: 'granted'; readonly ticket: number }
  | {
      readonly kind: 'waiting'
      readonly ticket: number
      readonly place: number
      readonly isSettling: boolean
      readonly down: readonly DownHost[]
    }
  /** This host must register first. */
  | { readonly kind: 'unknown' }

const flag = (is: boolean): string => (is ? '1' : '0')

/** The fleet's scripts, with their answers decoded. Each method rejects with `RedisError`. */
export class FleetStore implements FleetDesk {
  readonly #link: RedisLink
  readonly #service: string
  readonly #keys: ReturnType<typeof fleetKeysOf>

  constructor(link: RedisLink, service: string) {
    this.#link = link
    this.#service = service
    this.#keys = fleetKeysOf(service)
  }

  /** @throws HelloserverError `BAD_CONFIG` when the fleet uses another `fleet.maxDown` */
  async beat({ host, instance, maxDown }: Member, beat: Beat): Promise<Registration> {
    const [kind, ...rest] = (await this.#run(beatScript, [
      host,
      instance,
      flag(beat.hasRegistered),
      flag(beat.hasBeenUp),
      flag(beat.isUp),
      beat.facts.state,
      maxDown,
      beat.permit ?? '',
      JSON.stringify(beat.facts),
    ])) as [string, ...string[]]
    if (kind === 'differs') throw differs(rest)
    const [others, rival = ''] = rest
    return {
      others: Number(others),
      rival: rival === '' ? undefined : (JSON.parse(rival) as HostFacts),
    }
  }

  async ask(
    { host, instance, maxDown }: Member,
    purpose: Purpose,
    ticket: number,
    isAlone: boolean,
  ): Promise<PermitAnswer> {
    const args = [host, instance, ticket, purpose, flag(isAlone), maxDown]
    const reply = (await this.#run(askScript, args)) as [string, ...unknown[]]
    const [kind, given, place, isSettling, down] = reply
    if (kind === 'unknown') return { kind }
    if (kind === 'granted') return { kind, ticket: Number(given) }
    return {
      kind: 'waiting',
      ticket: Number(given),
      place: Number(place),
      isSettling: Number(isSettling) === 1,
      down: pairs(down as string[]).map(([name, how]) => ({ host: name, how })),
    }
  }

  /** @param returnMs - how long the host may take to come back; until then, it counts as down */
  async leave({ host, instance }: Member, returnMs: number | 'ever'): Promise<void> {
    await this.#run(leaveScript, [host, instance, returnMs])
  }

  async view(): Promise<FleetView> {
    const { hosts, settings, book, builds } = this.#keys
    const reply = await this.#link.run(viewScript, [hosts, settings, book, builds], [])
    const [now, maxDown, entries, refused] = reply as [string, string, string[], string[]]
    return {
      name: this.#service,
      maxDown: maxDown === '' ? null : Number(maxDown),
      hosts: pairs(entries)
        .map(([host, entry]) => hostViewOf(host, entry, Number(now)))
        .toSorted((a, b) => a.host.localeCompare(b.host, 'en', { numeric: true })),
      refusedBuilds: pairs(refused).map(([build, record]) => buildViewOf(build, record)),
    }
  }

  async forget(host: string, force: boolean): Promise<void> {
    const reply = await this.#run(forgetScript, [host, flag(force)])
    const [kind, detail] = reply as [string, string | string[] | undefined]
    if (kind === 'unknown') {
      throw new HelloserverError(
        'UNKNOWN_HOST',
        `There is no host "${host}"; ${listOf('hosts', detail)}`,
      )
    }
    if (kind === 'alive') {
      throw new HelloserverError(
        'HOST_ALIVE',
        `Host "${host}" is alive (${String(detail)}); stop it there, or use --force`,
      )
    }
  }

  async clear(build: string | null): Promise<number> {
    const reply = await this.#link.run(clearScript, [this.#keys.builds], [build ?? '*'])
    const [cleared, all] = reply as [number, string[]]
    if (build !== null && cleared === 0) {
      throw new HelloserverError(
        'UNKNOWN_BUILD',
        `Build "${build}" is not refused; ${listOf('refused builds', all)}`,
      )
    }
    return cleared
  }

  /** The record of the other host that refused this build, if there is one. */
  async refusal(build: string, host: string): Promise<RefusedBuild | undefined> {
    const record = (await this.#link.run(buildScript, [this.#keys.builds], [build, host])) as string
    return record === '' ? undefined : buildViewOf(build, record)
  }

  async refuse(build: string, host: string, reason: string): Promise<void> {
    await this.#link.run(refuseScript, [this.#keys.builds], [build, host, reason])
  }

  async accept(build: string, host: string): Promise<void> {
    await this.#link.run(acceptScript, [this.#keys.builds], [build, host])
  }

  /** Calls `listener` when something has changed that may concern waiting hosts. */
  onHint(listener: () => void): void {
    this.#link.subscribe(this.#keys.channel, (message) => {
      if (message === undefined || message === 'fleet') listener()
    })
  }

  #run(script: Script, args: readonly (string | number)[]): Promise<unknown> {
    const { hosts, settings, book, channel } = this.#keys
    return this.#link.run(script, [hosts, settings, book], [channel, ...args])
  }
}

function differs([theirs, ours, host]: string[]): HelloserverError {
  return new HelloserverError(
    'BAD_CONFIG',
    `fleet.maxDown is ${ours} here and ${theirs} in the fleet (set by ${host}); it must be the same on all hosts: change it here, or stop all hosts first`,
  )
}

function listOf(what: string, names: string | string[] | undefined): string {
  const all = [names ?? []].flat()
  return all.length === 0 ? `there are no ${what}` : `the ${what} are ${all.toSorted().join(', ')}`
}
