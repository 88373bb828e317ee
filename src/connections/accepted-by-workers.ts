import type { NativeModule } from '../native/native.ts'
import type { Accounts } from './accounts.ts'
import type { EndpointTable } from './endpoint-table.ts'
import { Grants, type KeptGrants } from './grants.ts'
import type { HandOffListener } from './hand-off.ts'
import type { Ledger } from './ledger.ts'
import { NativeSocket } from './native-socket.ts'
import type { PendingConnection } from './pending-connection.ts'
import type { Moment } from './shared-time.ts'
import type { Accepted, Reports } from './worker-reports.ts'

/** What it needs of others. */
export interface AcceptedParts {
  readonly native: NativeModule
  readonly accounts: Accounts
  readonly ledger: Ledger
  /** Where connections come from. */
  readonly endpoints: EndpointTable
  readonly dispatcher: Pick<HandOffListener, 'resume'>
}

/**
 * The connections that workers accept by themselves, as they become known: from the page of a worker of this process, or
 * of a primary that was killed.
 */
export class AcceptedByWorkers {
  readonly #parts: AcceptedParts
  /** What workers of a dead primary could accept, by their nonces. */
  readonly #left = new Map<number, KeptGrants>()
  #hasContinued = false

  constructor(parts: AcceptedParts) {
    this.#parts = parts
  }

  /** Whether workers of a dead primary may have accepted connections that are not known. */
  get hasContinued(): boolean {
    return this.#hasContinued
  }

  /**
   * Takes charge of a connection, as one that its worker has taken; undefined when it can have come from nowhere.
   *
   * @param hasEnded - whether its end is known, and is counted next: only with that it is seen. If this process is
   *   killed before, the next one finds the counts of before, and the connection in the worker's page
   */
  admit(
    { id, nonce, endpoint, takenAtMs, address }: Accepted,
    grants: Grants,
    { sharedMs }: Moment,
    hasEnded: boolean,
  ): PendingConnection | undefined {
    const { native, accounts, ledger, endpoints, dispatcher } = this.#parts
    const settings = endpoints.find(endpoint)
    if (settings === undefined) return undefined
    const ageMs = sharedMs - grants.see(takenAtMs, sharedMs)
    ledger.begin(grants, id)
    const handle = new NativeSocket(native, -1, address)
    const connection = dispatcher.resume(id, handle, settings, ageMs)
    connection.nonce = nonce
    accounts.apply(connection, 'claim')
    connection.offeredAtMs = connection.acceptedAtMs
    const seen = () => ledger.noteSeen(grants)
    if (hasEnded) accounts.onceEnded(connection, seen)
    else {
      ledger.enter(connection, address)
      seen()
    }
    return connection
  }

  /** Takes over what the workers of a dead primary could accept. */
  adopt(left: readonly KeptGrants[]): void {
    for (const kept of left) this.#left.set(kept.nonce, kept)
  }

  /** What one of those workers has accepted is counted from there on. */
  continue(nonce: number): Pick<Reports, 'grants' | 'close'> {
    const kept = this.#left.get(nonce)
    if (kept === undefined) return { grants: undefined, close: () => {} }
    // No two workers have the same ones.
    this.#left.delete(nonce)
    this.#hasContinued = true
    const { ledger } = this.#parts
    ledger.openGrants(nonce)
    ledger.keepGrants(kept)
    return { grants: new Grants(kept), close: () => ledger.closeGrants(kept) }
  }
}
