import { HelloserverError } from '../errors.ts'
import type { Alarm } from './alarm.ts'
import { InputBuffer } from './input-buffer.ts'
import type { Read } from './reads.ts'

/** A read that waits for the client. */
interface PendingRead {
  readonly read: Read
  readonly resolve: (result: Buffer | null) => void
  readonly reject: (error: unknown) => void
}

/** What a client has sent and nobody has read yet, and the read that waits for more, of which there is one at most. */
export class Incoming {
  readonly #buffer = new InputBuffer()
  readonly #silence: Alarm
  readonly #timeoutMs: number
  readonly #mayBeSilent: () => boolean
  #hasEnded = false
  #pending: PendingRead | undefined

  /**
   * @param silence - goes off after `timeoutMs`; a read that waits sets it again with each piece that arrives
   * @param mayBeSilent - asked when it goes off: whether the read may wait that long once more
   */
  constructor(silence: Alarm, timeoutMs: number, mayBeSilent: () => boolean) {
    this.#silence = silence
    this.#timeoutMs = timeoutMs
    this.#mayBeSilent = mayBeSilent
  }

  /** How many bytes have arrived and were not read. */
  get length(): number {
    return this.#buffer.length
  }

  /** Whether the client has ended its side. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Whether a read waits. */
  get isAwaited(): boolean {
    return this.#pending !== undefined
  }

  /**
   * The result of a read; undefined while more must arrive for it.
   *
   * @throws Error while another one waits
   */
  read(read: Read): Buffer | null | undefined {
    this.throwIfAwaited()
    return this.#resultOf(read)
  }

  /** Settles a read, whose result `read` did not have, once enough has arrived. */
  await(read: Read, resolve: PendingRead['resolve'], reject: PendingRead['reject']): void {
    this.#pending = { read, resolve, reject }
    this.allowSilence()
  }

  /** @throws Error while a read waits */
  throwIfAwaited(): void {
    if (this.isAwaited) throw new Error('Another read of this connection is still waiting')
  }

  push(chunk: Buffer): void {
    this.#buffer.push(chunk)
    this.#advance()
  }

  /** The client has ended its side. */
  end(): void {
    this.#hasEnded = true
    this.#advance()
  }

  /** Everything that has arrived and was not read. */
  takeAll(): Buffer {
    return this.#buffer.take(this.#buffer.length)
  }

  /** Rejects the read that waits, if there is one. */
  reject(error: HelloserverError): void {
    const pending = this.#pending
    this.#pending = undefined
    this.#silence.clear()
    pending?.reject(error)
  }

  /** From now on, the client may be silent for the whole time once more; nothing if no read waits. */
  allowSilence(): void {
    if (this.isAwaited) this.#silence.set(() => this.#onSilence())
  }

  /** Settles the read that waits, if it can be. */
  #advance(): void {
    if (this.#pending === undefined) return
    const { read, resolve, reject } = this.#pending
    try {
      const result = this.#resultOf(read)
      if (result === undefined) {
        this.allowSilence()
        return
      }
      resolve(result)
    } catch (error) {
      reject(error)
    }
    this.#pending = undefined
    this.#silence.clear()
  }

  /** Undefined while more must arrive. */
  #resultOf(read: Read): Buffer | null | undefined {
    const bytes = read.lengthIn(this.#buffer)
    if (bytes !== undefined) return read.from(this.#buffer, bytes)
    if (!this.#hasEnded) return undefined
    const { length } = this.#buffer
    if (length === 0) return null
    if (read.rest === 'result') return read.from(this.#buffer, length)
    throw new HelloserverError(
      'ENDED_EARLY',
      `The client ended its side in the middle of a read, after ${length} bytes`,
    )
  }

  #onSilence(): void {
    if (this.#mayBeSilent()) {
      this.allowSilence()
      return
    }
    this.reject(
      new HelloserverError('READ_TIMEOUT', `The client sent nothing for ${this.#timeoutMs} ms`),
    )
  }
}
