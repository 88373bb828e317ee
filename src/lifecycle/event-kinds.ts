/** Where the service listens, and what it runs. */
interface Serving {
  /** The texts of all endpoints, with commas between them. */
  readonly endpoints: string
  /** Of the first TCP endpoint; empty and 0 when there are Unix sockets only. */
  readonly host: string
  readonly port: number
  readonly workers: number
  /** The app's module. */
  readonly app: string
}

/** A worker that has died and is started again. */
interface WorkerDeath {
  readonly slot: number
  readonly generation: number
  readonly cause: string
  /** The category that its restart is counted under. */
  readonly restartCause: string
  /** Failures in a row, including this one. */
  readonly failures: number
  /** How long until its replacement is started. */
  readonly delayMs: number
}

/** A file by which the service is found, and which is not in its place. */
interface LostFile {
  /** For example "control socket". */
  readonly file: string
  readonly path: string
  readonly loss: 'missing' | 'replaced'
}

/** The details of each kind of event. Durations are in milliseconds. */
export interface EventDetails {
  started: Serving
  /** A successor of the primary serves in its place. */
  upgraded: Serving & { readonly version: string; readonly primaryPid: number }
  /** This primary goes on with what is left of one that was killed; `lost` is how many connections waited in that one. */
  'primary-replaced': { readonly deadPid: number; readonly lost: number }
  'reload-begun': { readonly cause: string }
  'reload-done': { readonly cause: string; readonly durationMs: number }
  'reload-failed': {
    readonly cause: string
    readonly step: string
    readonly reason: string
    readonly durationMs: number
  }
  /** The first failure in a row; a replacement is started at once. */
  'worker-died': WorkerDeath
  /** A worker is alive but cannot do its job: it is taken out of service and replaced. */
  'worker-unfit': {
    readonly slot: number
    readonly generation: number
    readonly workerPid: number
    readonly reason: string
  }
  /** A worker has died several times in a row. */
  'worker-backing-off': WorkerDeath
  /** No process could be started for a worker; `cause` names the resource that is short. */
  'worker-not-started': WorkerDeath
  /** The queue is full: from now on, new connections are turned away. */
  'shedding-began': { readonly queued: number }
  /** No connection has been turned away for a while. */
  'shedding-ended': { readonly shed: number; readonly durationMs: number }
  /** So few file descriptors are left that the newest waiting connections, if any, were turned away. */
  'descriptors-short': { readonly limit: number; readonly free: number; readonly shed: number }
  scaled: { readonly workers: number }
  draining: { readonly cause: string }
  /** Another host holds the lease, or the lease cannot be requested. */
  standby: { readonly reason: string }
  /** This host may serve, but has no address to listen on. */
  'cannot-listen': { readonly reason: string }
  'lease-won': { readonly token: number; readonly slot: number }
  /** Queued connections are turned away, so that they reach the host that holds the lease now. */
  'lease-lost': { readonly reason: string; readonly shed: number }
  /** The lease cannot be renewed, but is not lost yet. */
  'lease-in-danger': { readonly reason: string }
  /** The file was removed or replaced. */
  'file-restored': LostFile
  'file-lost': LostFile & { readonly reason: string }
}

export type EventKind = keyof EventDetails

/** An event in the life of the service: part of `status --json`. */
export interface ServiceEvent {
  /** Increases by one with each event, across upgrades too. */
  readonly seq: number
  /** ISO 8601. */
  readonly at: string
  /** An `EventKind`; after an upgrade from another release, possibly one that this release does not know. */
  readonly kind: string
  /** The event in a sentence. */
  readonly text: string
  /** The details of its kind; long texts are truncated. */
  readonly [detail: string]: string | number | null
}

/** How events of one kind are described. */
interface EventRow<Details> {
  readonly level: 'info' | 'warn' | 'error'
  readonly text: (details: Details) => string
  /** Only the last event with the same key is kept, so that repeated events do not push out the others. */
  readonly key?: (details: Details) => string
}

/** The description of each kind of event: the same in the log, in `status` and wherever else it is shown. */
export const eventTable: { readonly [Kind in EventKind]: EventRow<EventDetails[Kind]> } = {
  started: {
    level: 'info',
    text: (serving) => `Serving on ${serving.endpoints} with ${workersOf(serving.workers)}`,
  },
  upgraded: {
    level: 'info',
    text: (serving) =>
      `Upgraded to version ${serving.version}: process ${serving.primaryPid} serves on ${serving.endpoints}`,
  },
  'primary-replaced': {
    level: 'warn',
    text: ({ deadPid, lost }) =>
      `Went on after primary ${deadPid} was killed${lost === 0 ? '' : `, with which ${lost} connections were lost`}`,
  },
  'reload-begun': { level: 'info', text: ({ cause }) => `Reloading (${cause})` },
  'reload-done': { level: 'info', text: ({ durationMs }) => `Reloaded in ${durationMs} ms` },
  'reload-failed': {
    level: 'error',
    text: ({ reason }) => `Reload failed; the old generation keeps serving: ${reason}`,
  },
  'worker-died': {
    level: 'warn',
    text: ({ slot, cause }) => `Worker ${slot} died (${cause}); starting another`,
  },
  'worker-backing-off': {
    level: 'warn',
    text: ({ slot, cause, failures, delayMs }) =>
      `Worker ${slot} died ${failures} times in a row (${cause}); starting another in ${delayMs} ms`,
    key: ({ slot }) => `${slot}`,
  },
  'worker-not-started': {
    level: 'warn',
    text: ({ cause, delayMs }) => `${cause}; trying again in ${delayMs} ms`,
    key: ({ slot }) => `${slot}`,
  },
  'worker-unfit': {
    level: 'warn',
    text: ({ slot, reason }) => `Worker ${slot} is unfit: ${reason}; another takes its place`,
    key: ({ slot }) => `${slot}`,
  },
  'shedding-began': {
    level: 'warn',
    text: ({ queued }) =>
      `The queue is full (${queued} connections wait); turning connections away`,
  },
  'shedding-ended': {
    level: 'info',
    text: ({ shed, durationMs }) =>
      `The queue has room again; ${shed} connections were turned away within ${durationMs} ms`,
  },
  'descriptors-short': {
    level: 'warn',
    text: ({ limit, free, shed }) =>
      `File descriptors are running out (${free} of ${limit} are free); turned away ${shed} waiting connections; raise "ulimit -n"`,
    key: () => '',
  },
  scaled: {
    level: 'info',
    text: ({ workers }) => `Scaled to ${workersOf(workers)} until the next reload`,
  },
  draining: { level: 'info', text: ({ cause }) => `Draining (${cause})` },
  standby: {
    level: 'info',
    text: ({ reason }) => `Standing by: ${reason}`,
  },
  'cannot-listen': {
    level: 'warn',
    text: ({ reason }) => `${reason}; retrying`,
  },
  'lease-won': { level: 'info', text: ({ token }) => `Won the lease with token ${token}` },
  'lease-lost': {
    level: 'error',
    text: ({ reason, shed }) =>
      `Lost the lease: ${reason}${shed > 0 ? `; turned away ${shed} waiting connections` : ''}`,
  },
  'lease-in-danger': {
    level: 'warn',
    text: ({ reason }) => `The lease cannot be renewed at the moment: ${reason}`,
  },
  'file-restored': {
    level: 'warn',
    text: ({ file, path, loss }) => `The ${file} was ${loss}; restored it at ${path}`,
    key: ({ file, path }) => `${file} ${path}`,
  },
  'file-lost': {
    level: 'error',
    text: ({ file, path, loss, reason }) =>
      `The ${file} at ${path} was ${loss} and cannot be restored yet: ${reason}`,
    key: ({ file, path }) => `${file} ${path}`,
  },
}

function workersOf(count: number): string {
  return `${count} worker${count === 1 ? '' : 's'}`
}
