import type { QueueEnds } from './kernel-queue.ts'
import type { Ledger } from './ledger.ts'

/** What outlives this process, as far as it concerns the hand-off. */
export interface Lifeline {
  /** Knows every connection that was handed off and has not ended. */
  readonly ledger: Ledger
  /** The name of the pages of its workers. */
  readonly mark: string
  /** What each process of a worker inherits for the next primary. */
  readonly fds: readonly number[]
  /** The queue of a primary that has died; undefined without one. */
  readonly queue: QueueEnds | undefined
}
