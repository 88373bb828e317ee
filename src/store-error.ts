import { type ErrorCode, HelloserverError } from './errors.ts'

/**
 * A request to the store that the hosts share did not succeed; it is unknown whether the store has carried it out, or
 * yet will.
 */
export class StoreError extends HelloserverError {
  override readonly name = 'StoreError'
  /** Whether a retry is pointless: an operator has to change something. */
  readonly isPermanent: boolean

  constructor(code: ErrorCode, message: string, isPermanent: boolean, cause: unknown) {
    super(code, message, { cause })
    this.isPermanent = isPermanent
  }
}
