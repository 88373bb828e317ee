import { LineTooLongError } from '../errors.ts'
import type { InputBuffer } from './input-buffer.ts'
import { quiet } from './quiet.ts'
import type { Bound, Read } from './reads.ts'
import { shown } from './shown.ts'
import { type Chunk, chunksOf } from './transport.ts'

/** How frames are written on the wire: the length of the payload as an unsigned integer, then the payload. */
export interface FrameFormat {
  /** How long the length itself is. */
  readonly lengthBytes: 1 | 2 | 4
  /** The order of the length's bytes ["big"]. */
  readonly endian?: 'big' | 'little'
  /** The longest payload that is accepted or sent, from 1 [less than `connection.maxLineBytes`, as for lines]. */
  readonly maxBytes?: number
}

/** The frames of a connection in one format; made by `connection.frames`. */
export class Frames implements AsyncIterable<Buffer> {
  readonly #prefix: Prefix
  readonly #bound: Bound
  readonly #read: (read: Read) => Promise<Buffer | null>
  readonly #write: (chunks: readonly Chunk[]) => Promise<void>

  /** @internal */
  constructor(
    { lengthBytes, endian = 'big' }: FrameFormat,
    bound: Bound,
    read: (read: Read) => Promise<Buffer | null>,
    write: (chunks: readonly Chunk[]) => Promise<void>,
  ) {
    if (![1, 2, 4].includes(lengthBytes))
      throw new RangeError(`lengthBytes is ${shown(lengthBytes)}; it must be 1, 2 or 4`)
    if (!Object.hasOwn(prefixes, endian))
      throw new RangeError(`endian is ${shown(endian)}; it must be "big" or "little"`)
    this.#prefix = prefixes[endian](lengthBytes)
    this.#bound = bound
    this.#read = read
    this.#write = write
  }

  /** The next frame's payload, which may be empty; `null` when the client has ended its side before it. */
  read(): Promise<Buffer | null> {
    return this.#read(frame(this.#prefix, this.#bound))
  }

  /**
   * Sends a payload, in one piece or several, as one frame. Rejects with a RangeError, and sends nothing, when it is
   * longer than `maxBytes`, or too long for its length prefix.
   */
  write(payload: Chunk | readonly Chunk[]): Promise<void> {
    return quiet(this.#send(payload))
  }

  /** The frames until the client ends its side. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (let next = await this.read(); next !== null; next = await this.read()) yield next
  }

  async #send(payload: Chunk | readonly Chunk[]): Promise<void> {
    const chunks = chunksOf(payload)
    const bytes = chunks.reduce((sum, chunk) => sum + Buffer.byteLength(chunk), 0)
    const longest = Math.min(this.#bound.longestBytes, 256 ** this.#prefix.bytes - 1)
    if (bytes > longest)
      throw new RangeError(`The frame has ${bytes} bytes; at most ${longest} are allowed`)
    await this.#write([this.#prefix.of(bytes), ...chunks])
  }
}

/** The integer in front of a payload. */
interface Prefix {
  readonly bytes: number
  of(length: number): Buffer
  lengthFrom(prefix: Buffer): number
}

const prefixes: Readonly<Record<'big' | 'little', (bytes: number) => Prefix>> = {
  big: (bytes) => ({
    bytes,
    of(length) {
      const prefix = Buffer.allocUnsafe(bytes)
      prefix.writeUIntBE(length, 0, bytes)
      return prefix
    },
    lengthFrom: (prefix) => prefix.readUIntBE(0, bytes),
  }),
  little: (bytes) => ({
    bytes,
    of(length) {
      const prefix = Buffer.allocUnsafe(bytes)
      prefix.writeUIntLE(length, 0, bytes)
      return prefix
    },
    lengthFrom: (prefix) => prefix.readUIntLE(0, bytes),
  }),
}

/** A payload: the read consumes its prefix too, and returns only the payload. */
function frame(prefix: Prefix, { longestBytes, limitBytes }: Bound): Read {
  let end: number | undefined
  return {
    lengthIn(input: InputBuffer) {
      if (end === undefined) {
        if (input.length < prefix.bytes) return undefined
        const length = prefix.lengthFrom(input.peek(prefix.bytes))
        if (length > longestBytes)
          throw new LineTooLongError(
            limitBytes,
            `A frame of ${length} bytes exceeds the limit of ${limitBytes} bytes`,
          )
        end = prefix.bytes + length
      }
      return input.length >= end ? end : undefined
    },
    from: (input, bytes) => input.take(bytes).subarray(prefix.bytes),
    rest: 'refused',
  }
}
