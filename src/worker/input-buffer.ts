/** Chunks shorter than this are copied together: an object for each would take more memory than its bytes. */
const smallBytes = 512
/** The least and the most that is reserved for small chunks at a time. */
const leastBlockBytes = 256
const mostBlockBytes = 16_384

/** A part of the input: `block` from `start` to `end`. A chunk has no room after `end`; a block of our own may have. */
interface Piece {
  readonly block: Buffer
  start: number
  end: number
}

const nothing = Buffer.alloc(0)

const whole = (chunk: Buffer): Piece => ({ block: chunk, start: 0, end: chunk.length })

/**
 * The bytes that have arrived and not been taken yet: the chunks themselves, by reference, in their order. Bytes are
 * joined only where a result needs them in one piece, and by doubling, so that neither a line in one-byte packets nor
 * a long frame costs more than a few times its length.
 */
export class InputBuffer {
  #head: Piece = whole(nothing)
  readonly #later: Piece[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Adds a chunk that has arrived. A long one is kept and must not change; nothing is ever written into it. */
  push(chunk: Buffer): void {
    if (this.#length === 0) this.#head = whole(chunk)
    else if (chunk.length < smallBytes) this.#append(chunk)
    else this.#later.push(whole(chunk))
    this.#length += chunk.length
  }

  /**
   * The position of the first `wanted` that begins at `from` or later and ends at `to` or before; -1 if there is none.
   * Positions count from the first byte that has not been taken.
   */
  indexOf(wanted: Buffer, from = 0, to = this.#length): number {
    for (let start = from; ; ) {
      const length = this.#headLength()
      const at = this.#indexInHead(wanted, start, Math.min(to, length))
      if (at >= 0 || length >= to) return at
      // A match may begin in the head and end in what follows it.
      start = Math.max(start, length - wanted.length + 1)
      this.#join(Math.min(this.#length, Math.max(leastBlockBytes, 2 * length)))
    }
  }

  /** The first `bytes` in one piece, without taking them; that many must be there. */
  peek(bytes: number): Buffer {
    this.#join(bytes)
    return this.#view(bytes)
  }

  /** Takes the first `bytes`, in one piece; that many must be there. */
  take(bytes: number): Buffer {
    if (bytes > this.#headLength()) return this.#gather(bytes)
    const taken = this.#view(bytes)
    this.#drop(bytes)
    return taken
  }

  /** Takes as many bytes as one piece has, without copying: at least one, unless the buffer is empty. */
  takeSome(): Buffer {
    return this.take(this.#headLength())
  }

  #indexInHead(wanted: Buffer, from: number, to: number): number {
    const { block, start } = this.#head
    if (start + to < block.length) return this.#view(to).indexOf(wanted, from)
    // The usual case: the search ends with the block, so it needs no view.
    const at = block.indexOf(wanted, start + from)
    return at < 0 ? at : at - start
  }

  /** Not a private getter: V8 calls those by way of its runtime. */
  #headLength(): number {
    return this.#head.end - this.#head.start
  }

  /** The first `bytes` of the head, or all of it. */
  #view(bytes: number): Buffer {
    const { block, start } = this.#head
    if (start === 0 && bytes === block.length) return block
    return block.subarray(start, start + bytes)
  }

  /** Copies a small chunk behind the last piece if that has room, or else into a new block. */
  #append(chunk: Buffer): void {
    let last = this.#later.at(-1) ?? this.#head
    if (last.block.length - last.end < chunk.length) {
      const room = Math.min(mostBlockBytes, Math.max(leastBlockBytes, 2 * last.block.length))
      last = { block: Buffer.allocUnsafeSlow(Math.max(room, chunk.length)), start: 0, end: 0 }
      this.#later.push(last)
    }
    last.end += chunk.copy(last.block, last.end)
  }

  /** Makes the head at least `bytes` long. A new block for it has twice the room, so that growing on costs little. */
  #join(bytes: number): void {
    const { block, start, end } = this.#head
    if (end - start >= bytes) return
    if (start + bytes > block.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(leastBlockBytes, 2 * bytes))
      this.#head = { block: grown, start: 0, end: block.copy(grown, 0, start, end) }
    }
    this.#head.end += this.#move(this.#head.block, this.#head.end, bytes - (end - start))
  }

  /** Takes the first `bytes`, which are in several pieces, as a copy. */
  #gather(bytes: number): Buffer {
    const taken = Buffer.allocUnsafe(bytes)
    const { block, start, end } = this.#head
    const copied = block.copy(taken, 0, start, end)
    this.#move(taken, copied, bytes - copied)
    this.#drop(copied)
    this.#length -= bytes - copied
    return taken
  }

  /** Moves up to `bytes` bytes out of the later pieces to `at` in `target`; returns how many. */
  #move(target: Buffer, at: number, bytes: number): number {
    let moved = 0
    let emptied = 0
    for (const piece of this.#later) {
      if (moved === bytes) break
      const end = Math.min(piece.end, piece.start + bytes - moved)
      moved += piece.block.copy(target, at + moved, piece.start, end)
      piece.start = end
      if (end === piece.end) emptied += 1
    }
    this.#later.splice(0, emptied)
    return moved
  }

  /** Removes the first `bytes` of the head. */
  #drop(bytes: number): void {
    this.#head.start += bytes
    this.#length -= bytes
    if (this.#headLength() === 0) this.#head = this.#later.shift() ?? this.#head
  }
}
