import { primaryTransitions } from '../lifecycle/primary-states.ts'
import { type SlotState, slotTransitions } from '../lifecycle/slot-states.ts'
import type { StatsTotals, Status } from '../status.ts'

/** The service as one scrape sees it: everything at the same instant, so that the counts add up. */
export interface Snapshot {
  readonly status: Status
  readonly totals: StatsTotals
}

/** Values by label value; a metric without a label has one, under the empty name. An empty object means no data. */
type Reading = Readonly<Record<string, number>>

interface Metric {
  readonly type: 'counter' | 'gauge'
  /** Without the service's prefix. */
  readonly name: string
  readonly help: string
  readonly label?: string
  read(snapshot: Snapshot): Reading
}

const states = [...Object.keys(primaryTransitions), 'degraded']
const slotStates = Object.keys(slotTransitions) as SlotState[]

const single = (value: number | null | undefined): Reading =>
  value === null || value === undefined ? {} : { '': value }

const yes = (is: boolean | undefined) => (is === undefined ? {} : single(Number(is)))

/** The service's own metrics: names, units and labels are part of the contract (docs/monitoring.md). */
export const serviceMetrics: readonly Metric[] = [
  {
    type: 'gauge',
    name: 'state',
    help: 'State of the service: 1 for the current state, 0 for the others.',
    label: 'state',
    read: ({ status }) =>
      Object.fromEntries(states.map((state) => [state, Number(status.state === state)])),
  },
  {
    type: 'gauge',
    name: 'generation',
    help: 'Current generation of workers.',
    read: ({ status }) => single(status.generation),
  },
  {
    type: 'counter',
    name: 'connections_accepted_total',
    help: 'Connections accepted.',
    read: ({ status }) => single(status.connections.accepted),
  },
  {
    type: 'counter',
    name: 'connections_ended_total',
    help: 'Connections that have ended, by outcome.',
    label: 'outcome',
    read: ({ status: { connections } }) => {
      const { served, failed, shed, expired, gone } = connections
      return { served, failed, shed, expired, gone }
    },
  },
  {
    type: 'counter',
    name: 'connections_shed_total',
    help: 'Connections turned away, by reason.',
    label: 'reason',
    read: ({ totals }) => totals.shed ?? {},
  },
  {
    type: 'gauge',
    name: 'connections_queued',
    help: 'Connections that wait for a worker.',
    read: ({ status }) => single(status.connections.queued),
  },
  {
    type: 'gauge',
    name: 'connections_active',
    help: 'Connections that workers handle.',
    read: ({ status }) => single(status.connections.active),
  },
  {
    type: 'gauge',
    name: 'queue_limit',
    help: 'Maximum number of waiting connections.',
    read: ({ status }) => single(status.queue.max),
  },
  {
    type: 'gauge',
    name: 'queue_oldest_seconds',
    help: 'Age of the oldest connection in the queue.',
    read: ({ status }) => single(status.queue.oldestMs / 1_000),
  },
  {
    type: 'gauge',
    name: 'workers',
    help: 'Worker slots by state.',
    label: 'state',
    read: ({ status: { workers } }) =>
      Object.fromEntries(
        slotStates.map((state) => [
          state,
          workers.filter((worker) => worker.state === state).length,
        ]),
      ),
  },
  {
    type: 'gauge',
    name: 'worker_resident_memory_bytes',
    help: 'Memory of each worker.',
    label: 'slot',
    read: ({ status: { workers } }) =>
      Object.fromEntries(
        workers.filter(({ pid }) => pid !== null).map(({ slot, rssBytes }) => [slot, rssBytes]),
      ),
  },
  {
    type: 'counter',
    name: 'worker_restarts_total',
    help: 'Workers replaced, by cause.',
    label: 'cause',
    read: ({ totals }) => totals.restarts,
  },
  {
    type: 'counter',
    name: 'reloads_total',
    help: 'Reloads and upgrades, by outcome.',
    label: 'outcome',
    read: ({ totals }) => ({ ...totals.reloads }),
  },
  {
    type: 'gauge',
    name: 'last_reload_successful',
    help: 'Whether the last reload or upgrade succeeded; missing before the first.',
    read: ({ status: { lastReload } }) => (lastReload ? yes(lastReload.outcome === 'done') : {}),
  },
  {
    type: 'gauge',
    name: 'last_reload_timestamp_seconds',
    help: 'When the last reload or upgrade ended, since the epoch; missing before the first.',
    read: ({ status: { lastReload } }) => single(lastReload && Date.parse(lastReload.at) / 1_000),
  },
  {
    type: 'gauge',
    name: 'lease_held',
    help: 'Whether this host has the lease; missing without Redis.',
    read: ({ status }) => yes(status.lease?.held),
  },
  {
    type: 'gauge',
    name: 'lease_exclusive',
    help: 'Whether only one host may have the lease; missing without Redis.',
    read: ({ status: { lease } }) => yes(lease === null ? undefined : lease.mode === 'exclusive'),
  },
  {
    type: 'gauge',
    name: 'lease_token',
    help: 'The fencing token; missing while the lease is not held.',
    read: ({ status }) => single(status.lease?.token),
  },
  {
    type: 'gauge',
    name: 'lease_valid_seconds',
    help: 'How long the lease stays valid without a renewal; missing while it is not held.',
    read: ({ status }) => {
      const validForMs = status.lease?.validForMs ?? null
      return single(validForMs && validForMs / 1_000)
    },
  },
  {
    type: 'gauge',
    name: 'supervisor_attached',
    help: 'Whether pm2 supervises the service.',
    read: ({ status }) => yes(status.supervisor.attached),
  },
]
