/** A change of the address that a part listens on; it ends with one of the two calls. */
export interface AddressMove {
  /** Closes the old address once the clients that have connected there by now are accepted. */
  finish(): Promise<void>
  /** Closes the new address in the same way. */
  cancel(): Promise<void>
}
