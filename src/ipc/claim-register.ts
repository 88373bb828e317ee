import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { identityOf } from '../files/file-identity.ts'

/**
 * The claim register: one number in a file that a worker and its primary both have open, the id of the
 * connection that the worker has claimed last.
 *
 * The primary needs to know of a claim only when a worker dies: was the connection that it had been offered
 * still untouched, or had the worker begun to read it? So a claim is not a message, which would wake the
 * primary for every connection. It is a write into the page cache: complete when it returns, and readable after
 * the worker was killed at any point. The file no longer has a name when it is used, and disappears with the
 * last process that has it open.
 */
const registerBytes = 8
const none = 0

/** The descriptor of the register in a worker. */
export const claimFd = 5

/** Why a worker is unfit whose register the primary cannot read. */
export const claimsLost = 'its claims do not reach the primary'

/** The primary's side. */
export class ClaimRegister {
  readonly fd: number

  /** @param directory - a folder of the service's own; a memory-backed one is the fastest */
  constructor(directory: string) {
    this.fd = openUnnamed(directory)
  }

  /** The id of the last claimed connection; 0 for none. */
  read(): number {
    const bytes = Buffer.alloc(registerBytes)
    return readSync(this.fd, bytes, 0, registerBytes, 0) === registerBytes
      ? bytes.readDoubleLE()
      : none
  }

  close(): void {
    closeSync(this.fd)
  }
}

let created = 0

/** A new file that no other process can find; in the temporary directory if the given one is gone or full. */
function openUnnamed(directory: string): number {
  created += 1
  const name = `.claim-${process.pid}-${created}`
  try {
    return openIn(directory, name)
  } catch {
    return openIn(tmpdir(), name)
  }
}

function openIn(directory: string, name: string): number {
  const path = join(directory, name)
  const fd = openSync(path, 'wx+', 0o600)
  try {
    rmSync(path)
    // Allocates the space now, so that a disk that fills up later does not matter.
    new ClaimWriter(fd).write(none)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** The worker's side. */
export class ClaimWriter {
  readonly #fd: number
  readonly #register: string | undefined
  readonly #bytes = Buffer.alloc(registerBytes)

  constructor(fd: number) {
    this.#fd = fd
    this.#register = identityOf(fd)
  }

  /** Whether the descriptor still is the register: an app can have opened another file in its place. */
  get isIntact(): boolean {
    return identityOf(this.#fd) === this.#register
  }

  /** Claims a connection. Throws if the claim cannot be written; the connection is then not claimed. */
  write(id: number): void {
    this.#bytes.writeDoubleLE(id)
    writeSync(this.#fd, this.#bytes, 0, registerBytes, 0)
  }
}
