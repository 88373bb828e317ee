import type { World } from './world.ts'

/** What an event may cost; whatever is left out may cost nothing. */
export interface Tolerance {
  /** Connections that are lost with a worker that had claimed them: at most one for each kill. */
  readonly claimed?: number
  /** Whether nobody listens for a while. */
  readonly refuses?: boolean
  /** Whether connections that no worker had begun to answer are lost: those that a killed primary had queued. */
  readonly queued?: boolean
}

/** Something that happens to a service in its life, and what it may cost its clients. */
export interface Event {
  readonly name: string
  /** How often it comes up in a long run, beside the others. */
  readonly weight: number
  readonly tolerance: Tolerance
  /** Whether it needs a worker that stays idle until it is offered something; a crowd leaves that only to workers that accept. */
  readonly needsIdle?: true
  /** Makes it happen; resolves when it is over. */
  run(world: World): Promise<void>
}
