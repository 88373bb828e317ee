import { HelloserverError } from '../errors.ts'
import type { FleetView, HostReport, RefusedBuild } from '../fleet/fleet.ts'
import type { Purpose } from '../fleet/fleet-status.ts'
import {
  type Acknowledgement,
  deadAfterMs,
  type FleetStore,
  type Heartbeat,
  heartbeatMs,
  type Member,
  type PermitAnswer,
} from '../fleet/fleet-store.ts'
import { buildViewOf, hostViewOf, pairs } from './fleet-entries.ts'
import type { RedisLink } from './link.ts'
import { type RedisKeys, redisKeysOf } from './redis-keys.ts'
import { loadScript, type Script } from './script.ts'

const heartbeatScript = loadScript('heartbeat')
const permitScript = loadScript('request-permit')
const leaveScript = loadScript('leave-fleet')
const forgetScript = loadScript('forget-host')
const viewScript = loadScript('view-fleet')
const refusalScript = loadScript('find-refusal')
const refuseScript = loadScript('refuse-build')
const acceptScript = loadScript('accept-build')
const clearScript = loadScript('clear-builds')

const flag = (is: boolean): string => (is ? '1' : '0')

/** The fleet in Redis; `lua/fleet.lua` describes its entries. */
export class RedisFleetStore implements FleetStore {
  readonly name = 'Redis'
  readonly #link: RedisLink
  readonly #service: string
  readonly #keys: RedisKeys

  constructor(link: RedisLink, service: string) {
    this.#link = link
    this.#service = service
    this.#keys = redisKeysOf(service)
  }

  ready(withinMs: number): Promise<void> {
    return this.#link.ready(withinMs)
  }

  async heartbeat(
    { host, instance, maxDown }: Member,
    { report, permit, ...flags }: Heartbeat,
  ): Promise<Acknowledgement> {
    const [kind, ...rest] = (await this.#run(heartbeatScript, [
      host,
      instance,
      flag(flags.hasRegistered),
      flag(flags.hasBeenUp),
      flag(flags.isUp),
      report.state,
      maxDown,
      permit ?? '',
      JSON.stringify(report),
    ])) as [string, ...string[]]
    if (kind === 'differs') throw maxDownDiffers(rest)
    const [others, rival = ''] = rest
    return {
      others: Number(others),
      rival: rival === '' ? undefined : (JSON.parse(rival) as HostReport),
    }
  }

  async requestPermit(
    { host, instance, maxDown }: Member,
    purpose: Purpose,
    ticket: number,
    isAlone: boolean,
  ): Promise<PermitAnswer> {
    const args = [host, instance, ticket, purpose, flag(isAlone), maxDown]
    const reply = (await this.#run(permitScript, args)) as [string, ...unknown[]]
    const [kind, given, place, isRecovering, down] = reply
    if (kind === 'unknown') return { kind }
    if (kind === 'granted') return { kind, ticket: Number(given) }
    return {
      kind: 'waiting',
      ticket: Number(given),
      place: Number(place),
      isRecovering: Number(isRecovering) === 1,
      down: pairs(down as string[]).map(([name, how]) => ({ host: name, how })),
    }
  }

  async leave({ host, instance }: Member, returnMs: number | 'ever'): Promise<void> {
    await this.#run(leaveScript, [host, instance, returnMs])
  }

  async view(): Promise<FleetView> {
    const { hosts, settings, builds } = this.#keys
    const reply = await this.#link.run(viewScript, [hosts, settings, builds], [])
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

  async refusal(build: string, host: string): Promise<RefusedBuild | undefined> {
    const record = (await this.#link.run(
      refusalScript,
      [this.#keys.builds],
      [build, host],
    )) as string
    return record === '' ? undefined : buildViewOf(build, record)
  }

  async refuse(build: string, host: string, reason: string): Promise<void> {
    await this.#link.run(refuseScript, [this.#keys.builds], [build, host, reason])
  }

  async accept(build: string, host: string): Promise<void> {
    await this.#link.run(acceptScript, [this.#keys.builds], [build, host])
  }

  subscribe(listener: () => void): void {
    this.#link.subscribe(this.#keys.channel, (message) => {
      if (message === undefined || message === 'fleet') listener()
    })
  }

  close(): void {
    this.#link.close()
  }

  #run(script: Script, args: readonly (string | number)[]): Promise<unknown> {
    const { hosts, settings, book, channel } = this.#keys
    return this.#link.run(
      script,
      [hosts, settings, book],
      [channel, heartbeatMs, deadAfterMs, ...args],
    )
  }
}

function maxDownDiffers([theirs, ours, host]: string[]): HelloserverError {
  return new HelloserverError(
    'BAD_CONFIG',
    `fleet.maxDown is ${ours} here and ${theirs} in the fleet (set by ${host}); it must be the same on all hosts: change it here, or stop all hosts first`,
  )
}

function listOf(what: string, names: string | string[] | undefined): string {
  const all = [names ?? []].flat()
  return all.length === 0 ? `there are no ${what}` : `the ${what} are ${all.toSorted().join(', ')}`
}
