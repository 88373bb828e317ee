import type { HostReport, HostView, RefusedBuild } from '../fleet/fleet.ts'
import type { Purpose } from '../fleet/fleet-status.ts'
import { deadAfterMs } from '../fleet/fleet-store.ts'

/** The displayed part of a host's entry; `lua/fleet.lua` describes all of it. */
interface Entry {
  readonly facts: string
  readonly seen: number
  readonly stopped?: number
  readonly ticket?: number
  readonly granted?: Purpose
}

/** @param nowMs - by the server's clock, like the entry's times */
export function hostViewOf(host: string, text: string, nowMs: number): HostView {
  const { facts, seen, stopped, ticket, granted } = JSON.parse(text) as Entry
  const silentMs = Math.max(0, nowMs - seen)
  const report = JSON.parse(facts) as HostReport
  const permit = granted ?? (ticket === undefined ? null : 'waiting')
  return { host, ...report, state: stateOf(), silentMs, permit }

  function stateOf(): HostView['state'] {
    if (stopped !== undefined) return 'stopped'
    return silentMs > deadAfterMs ? 'dead' : report.state
  }
}

export function buildViewOf(build: string, text: string): RefusedBuild {
  const { host, reason, at } = JSON.parse(text) as { host: string; reason: string; at: number }
  return { build, host, reason, at: new Date(at).toISOString() }
}

/** Pairs up Redis's flat reply for a hash, in which keys and values alternate. */
export function pairs(flat: readonly string[]): (readonly [string, string])[] {
  return flat.flatMap((key, at) => (at % 2 === 0 ? [[key, flat[at + 1] ?? ''] as const] : []))
}
