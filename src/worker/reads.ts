import type { LineEnding } from '../config/line-endings.ts'
import { LineTooLongError } from '../errors.ts'
import type { InputBuffer } from './input-buffer.ts'

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

const take = (input: InputBuffer, bytes: number) => input.take(bytes)

/** Everything that has arrived. */
export const anything: Read = {
  lengthIn: ({ length }) => (length > 0 ? length : undefined),
  from: take,
  rest: 'result',
}

/** Something that has arrived, as it is. */
export const something: Read = { ...anything, from: (input) => input.takeSome() }

export function exactly(bytes: number): Read {
  return {
    lengthIn: ({ length }) => (length >= bytes ? bytes : undefined),
    from: take,
    rest: 'refused',
  }
}

/** The next bytes, which stay where they are. */
export function ahead(bytes: number): Read {
  return { ...exactly(bytes), from: (input, length) => input.peek(length), rest: 'result' }
}

/** Everything up to and including a delimiter. */
export function until(delimiter: Buffer, bound: Bound): Read {
  const tooLong = `The delimiter did not come within ${bound.limitBytes} bytes`
  return { lengthIn: within(bound, tooLong, endOf(delimiter)), from: take, rest: 'refused' }
}

/** A line with its end. */
export function line(ending: LineEnding, bound: Bound): Read {
  return { lengthIn: within(bound, undefined, searches[ending]()), from: take, rest: 'result' }
}

/** Finds where something ends; each call goes on where the one before has stopped. */
type Search = (input: InputBuffer) => number | undefined

function within(bound: Bound, tooLong: string | undefined, search: Search): Search {
  return (input) => {
    const end = search(input)
    if ((end ?? input.length) > bound.longestBytes)
      throw new LineTooLongError(bound.limitBytes, tooLong)
    return end
  }
}

const crlf = Buffer.from('\r\n')
const lf = Buffer.from('\n')
const cr = Buffer.from('\r')

const searches: Readonly<Record<LineEnding, () => Search>> = {
  crlf: () => endOf(crlf),
  lf: () => endOf(lf),
  any: endOfAnyLine,
}

function endOf(delimiter: Buffer): Search {
  let searched = 0
  return (input) => {
    const at = input.indexOf(delimiter, searched)
    if (at >= 0) return at + delimiter.length
    // A delimiter that has begun may be completed by what is still to come.
    searched = Math.max(0, input.length - delimiter.length + 1)
    return undefined
  }
}

/** A CR ends a line once the next byte shows that it is not the first half of a CRLF. */
function endOfAnyLine(): Search {
  let searched = 0
  return (input) => {
    const lfAt = input.indexOf(lf, searched)
    const crAt = input.indexOf(cr, searched, lfAt < 0 ? input.length : lfAt)
    if (crAt >= 0 && crAt + 1 < input.length && crAt + 1 !== lfAt) return crAt + 1
    if (lfAt >= 0) return lfAt + 1
    searched = crAt < 0 ? input.length : crAt
    return undefined
  }
}
