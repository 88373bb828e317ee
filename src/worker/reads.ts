import { isUint8Array } from 'node:util/types'
import type { LineEnding } from '../config/line-endings.ts'
import { LineTooLongError } from '../errors.ts'
import type { InputBuffer } from './input-buffer.ts'
import { shown } from './shown.ts'

/** A kind of read: the one thing in which the connection's reads differ. A value is for one call. */
export interface Read {
  /**
   * How many bytes complete it; undefined while they have not arrived.
   *
   * @throws LineTooLongError when they cannot come within its bound
   */
  lengthIn(input: InputBuffer): number | undefined
  /** The result, from an input of at least `bytes`. */
  from(input: InputBuffer, bytes: number): Buffer
  /** When the client ends its side before that: whether the rest is a result, or the call is refused. */
  readonly rest: 'result' | 'refused'
}

/** Lengths that a read accepts; the error names the limit that was set. */
export interface Bound {
  readonly longestBytes: number
  readonly limitBytes: number
}

/** The bound of `connection.maxLineBytes`, the length at which a line is refused. */
export const lineBound = (maxLineBytes: number): Bound => ({
  longestBytes: maxLineBytes - 1,
  limitBytes: maxLineBytes,
})

/**
 * The bound that a call gives.
 *
 * @throws RangeError when it is no whole number from 1 to 1 GiB
 */
export function atMost(maxBytes: number): Bound {
  return { longestBytes: checked('maxBytes', maxBytes, 1), limitBytes: maxBytes }
}

/** The most that one read may ask for; the memory for it is taken only as the bytes arrive. */
const mostBytes = 1_073_741_824

function checked(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least && value <= mostBytes) return value
  throw new RangeError(
    `${name} is ${shown(value)}; it must be an integer from ${least} to ${mostBytes}`,
  )
}

const take = (input: InputBuffer, bytes: number) => input.take(bytes)

/** Everything that has arrived. */
export const anything: Read = {
  lengthIn: ({ length }) => (length > 0 ? length : undefined),
  from: take,
  rest: 'result',
}

/** Something that has arrived, as it is. */
export const something: Read = { ...anything, from: (input) => input.takeSome() }

/** @throws RangeError when it is no whole number from 0 to 1 GiB */
export function exactly(bytes: number): Read {
  checked('bytes', bytes, 0)
  return {
    lengthIn: ({ length }) => (length >= bytes ? bytes : undefined),
    from: take,
    rest: 'refused',
  }
}

/**
 * The next bytes, which stay where they are.
 *
 * @throws RangeError when it is no whole number from 1 to 1 GiB
 */
export function ahead(bytes: number): Read {
  checked('bytes', bytes, 1)
  return { ...exactly(bytes), from: (input, length) => input.peek(length), rest: 'result' }
}

/**
 * Everything up to and including a delimiter.
 *
 * @throws RangeError for a delimiter that is empty, or neither text nor bytes
 */
export function until(delimiter: string | Uint8Array, bound: Bound): Read {
  if (typeof delimiter !== 'string' && !isUint8Array(delimiter))
    throw new RangeError(`delimiter is ${shown(delimiter)}; it must be text or a Uint8Array`)
  const bytes = Buffer.from(delimiter)
  if (bytes.length === 0) throw new RangeError('The delimiter is empty')
  return new Ended(endingWith(bytes), bound, 'refused', 'The delimiter did not come')
}

/** A line with its end. */
export function line(ending: LineEnding, bound: Bound): Read {
  return new Ended(ends[ending], bound, 'result', 'The line did not end')
}

/** The bytes that end a read. */
interface End {
  /** How long it is at most, and hence how much of it the last bytes may be. */
  readonly longestBytes: number
  /** The position behind the first one that begins at `from` or later; undefined if there is none yet. */
  behind(input: InputBuffer, from: number): number | undefined
}

/** A read up to an end; one that goes on with more input does not search the same bytes again. */
class Ended implements Read {
  readonly rest: Read['rest']
  readonly #end: End
  readonly #bound: Bound
  readonly #complaint: string
  #searched = 0

  constructor(end: End, bound: Bound, rest: Read['rest'], complaint: string) {
    this.#end = end
    this.#bound = bound
    this.rest = rest
    this.#complaint = complaint
  }

  lengthIn(input: InputBuffer): number | undefined {
    const length = this.#end.behind(input, this.#searched)
    if ((length ?? input.length) > this.#bound.longestBytes) {
      const { limitBytes } = this.#bound
      throw new LineTooLongError(limitBytes, `${this.#complaint} within ${limitBytes} bytes`)
    }
    // An end that has begun may be completed by what is still to come.
    this.#searched = Math.max(0, input.length - this.#end.longestBytes + 1)
    return length
  }

  from(input: InputBuffer, bytes: number): Buffer {
    return input.take(bytes)
  }
}

function endingWith(delimiter: Buffer): End {
  return {
    longestBytes: delimiter.length,
    behind(input, from) {
      const at = input.indexOf(delimiter, from)
      return at < 0 ? undefined : at + delimiter.length
    },
  }
}

const lf = Buffer.from('\n')
const cr = Buffer.from('\r')

const ends: Readonly<Record<LineEnding, End>> = {
  crlf: endingWith(Buffer.from('\r\n')),
  lf: endingWith(lf),
  any: {
    longestBytes: 2,
    /** A CR ends a line once the next byte shows that it is not the first half of a CRLF. */
    behind(input, from) {
      const lfAt = input.indexOf(lf, from)
      const crAt = input.indexOf(cr, from, lfAt < 0 ? input.length : lfAt)
      if (crAt >= 0 && crAt + 1 < input.length && crAt + 1 !== lfAt) return crAt + 1
      return lfAt < 0 ? undefined : lfAt + 1
    },
  },
}
