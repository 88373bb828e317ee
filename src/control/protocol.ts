import { z } from 'zod'
import type { Config } from '../config/load.ts'
import type { ReloadResult, Status } from '../status.ts'

/**
 * The control socket's requests: JSON-RPC 2.0, one message a line.
 *
 * Parameters are checked here, since anything that may open the socket may send anything.
 */
export const requestParams = {
  status: z.object({}).prefault({}),
  reload: z
    .object({
      cause: z.string().max(200).default('a reload command'),
      /** Replaces the environment that the service was started with; the running one stays when it is left out. */
      environment: z.record(z.string(), z.string()).optional(),
    })
    .prefault({}),
  stop: z.object({}).prefault({}),
  scale: z.object({ workers: z.int().min(1).max(1024) }),
  /**
   * Sent by a supervisor's bridge: from now on it is the one that speaks for the supervisor. It supersedes
   * one of the same `instance` (the supervisor replaces it); one of another is refused, `SUPERVISED`.
   */
  attach: z.object({ pid: z.int().min(1), instance: z.int().min(0).default(0) }),
} as const

export type Method = keyof typeof requestParams
/** As a caller gives them, and as they arrive with their defaults filled in. */
export type Params<M extends Method> = z.input<(typeof requestParams)[M]>
export type CheckedParams<M extends Method> = z.output<(typeof requestParams)[M]>

/** What each request is answered with. */
export interface Results {
  status: Status
  reload: ReloadResult
  /** Answered when the service has ended; `dropped` connections were cut short. */
  stop: { readonly dropped: number }
  scale: { readonly workers: number }
  /** `superseded`: another bridge was attached until now. */
  attach: {
    readonly superseded: boolean
    readonly status: Status
    /** Of the running configuration, so that a supervisor can tell whether the one on disk is another. */
    readonly configDigest: string
    readonly drainTimeoutMs: number
    readonly drainAnnounceMs: number
    readonly readyTimeoutMs: number
  }
}

/** What the primary tells an attached bridge without being asked. */
export interface Notifications {
  /** Another bridge has attached; this one has no more to do. */
  superseded: Record<string, never>
  /** The service ends on purpose; that the primary goes away then is no crash. */
  draining: { readonly cause: string }
}

/** What the control socket needs of a service; the primary is behind it. */
export interface ControlTarget {
  status(): Status
  readonly config: Config
  reload(
    cause: string,
    environment: Readonly<Record<string, string>> | undefined,
  ): Promise<ReloadResult>
  stop(cause: string): Promise<{ readonly dropped: number }>
  scale(workers: number): Promise<void>
}
