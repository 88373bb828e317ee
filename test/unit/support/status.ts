import type { Status, WorkerStatus } from '../../../src/status.ts'

/** A worker that has nothing in hand, but for what a test says of it. */
export function worker(slot: number, changes: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    slot,
    pid: 100 + slot,
    state: 'idle',
    generation: 4,
    served: 0,
    rssBytes: 50 * 1_048_576,
    busyMs: null,
    remote: null,
    ...changes,
  }
}

/** A drain that has got as far as the queue. */
export const drain: NonNullable<Status['drain']> = {
  cause: 'SIGUSR1',
  phase: 'serving-queue',
  queued: 2,
  inHand: 1,
  remainingMs: 28_400,
}

/** A service that serves, with two workers and nothing to do, but for what a test says of it. */
export function statusWith(changes: Partial<Status> = {}): Status {
  return {
    name: 'whois',
    version: '1.2.3',
    build: 'abc',
    state: 'serving',
    pid: 100,
    rssBytes: 70 * 1_048_576,
    uptimeMs: 61_000,
    generation: 4,
    listen: { host: '0.0.0.0', port: 4_343 },
    workers: [worker(1), worker(2)],
    queue: { length: 0, max: 10, oldestMs: 0 },
    connections: {
      accepted: 0,
      served: 0,
      failed: 0,
      shed: 0,
      expired: 0,
      gone: 0,
      queued: 0,
      active: 0,
    },
    rates: { perSecond: 0, waitMs: null, handlingMs: null },
    lastReload: null,
    drain: null,
    lease: null,
    fleet: null,
    supervisor: { attached: false, pid: null },
    events: [],
    ...changes,
  }
}
