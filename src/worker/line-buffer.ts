const crlf = Buffer.from('\r\n')
const initialBytes = 256

/**
 * The bytes that have arrived and not been taken yet.
 *
 * It grows by doubling, and remembers how far it has searched for the end of a line, so that neither a line in
 * one-byte packets nor a long one costs more than its length.
 */
export class LineBuffer {
  #bytes: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0
  /** No line ends before this position. */
  #searched = 0

  get length(): number {
    return this.#end - this.#start
  }

  /** Adds a chunk that has arrived; keeps the chunk itself if there is nothing to join it to. */
  push(chunk: Buffer): void {
    if (this.length === 0) {
      this.#bytes = chunk
      this.#start = 0
      this.#end = chunk.length
      this.#searched = 0
      return
    }
    this.#reserve(chunk.length)
    chunk.copy(this.#bytes, this.#end)
    this.#end += chunk.length
  }

  /**
   * Takes the first line, including its CRLF.
   *
   * @returns undefined while there is no complete line
   */
  takeLine(): Buffer | undefined {
    const at = this.#bytes.subarray(this.#searched, this.#end).indexOf(crlf)
    if (at < 0) {
      // The last byte may be the CR of a CRLF whose LF is still to come.
      this.#searched = Math.max(this.#start, this.#end - 1)
      return undefined
    }
    return this.#take(this.#searched + at + crlf.length)
  }

  /** Takes everything, which may be nothing. */
  takeAll(): Buffer {
    return this.#take(this.#end)
  }

  #take(to: number): Buffer {
    const taken = this.#bytes.subarray(this.#start, to)
    this.#start = to
    this.#searched = to
    return taken
  }

  #reserve(more: number): void {
    // A received chunk is full, so nothing is ever written into it.
    if (this.#end + more <= this.#bytes.length) return
    const needed = this.length + more
    const grown = Buffer.alloc(Math.max(initialBytes, 2 ** Math.ceil(Math.log2(needed))))
    this.#bytes.copy(grown, 0, this.#start, this.#end)
    this.#searched -= this.#start
    this.#end -= this.#start
    this.#start = 0
    this.#bytes = grown
  }
}
