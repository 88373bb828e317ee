/** The length of a window, in milliseconds; after that long without a connection, an address need not be remembered. */
const windowMs = 1_000

/**
 * How many addresses are remembered for each window: more than a primary can accept connections in that time. Any
 * others are let in without being counted, since forgetting one that is counted would let that in, too.
 */
const maxAddresses = 65_536

/** The 16-bit groups of an IPv6 address that identify a network: a single client may have all addresses of that. */
const networkGroups = 4
const allGroups = 8

/**
 * Limits how many connections an address may open in a second: so many at once, and then one more whenever the part of
 * a second has passed that one takes (the generic cell rate algorithm, ITU-T I.371).
 *
 * An address takes one number, the time at which it has used up nothing. That is never more than a second away, so two
 * windows of a second remember every address that matters: memory is bounded whoever connects, without a timer.
 */
export class RateLimit {
  readonly #now: () => number
  /** 0 means no limit. */
  #maxPerSecond = 0
  #windowStartMs = Number.NEGATIVE_INFINITY
  #current = new Map<string, number>()
  #previous = new Map<string, number>()

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  get isOff(): boolean {
    return this.#maxPerSecond === 0
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.#current.size + this.#previous.size
  }

  /** Sets the limit, for the addresses that are remembered already, too; 0 means none. */
  limit(maxPerSecond: number): void {
    this.#maxPerSecond = maxPerSecond
  }

  /** Counts a connection unless it exceeds the limit; returns whether it does. One that is refused does not count. */
  isExceededBy(address: string): boolean {
    if (this.isOff) return false
    const nowMs = this.#now()
    this.#turn(nowMs)
    const key = clientOf(address)
    const partMs = windowMs / this.#maxPerSecond
    const freeAtMs = Math.max(nowMs, this.#current.get(key) ?? this.#previous.get(key) ?? nowMs)
    // A thousandth of a millisecond is less than the clock tells, and more than the sum of parts is off.
    if (freeAtMs + partMs > nowMs + windowMs + 0.001) return true
    if (this.#current.has(key) || this.#current.size < maxAddresses) {
      this.#current.set(key, freeAtMs + partMs)
    }
    return false
  }

  /** Begins a new window if the current one is over. */
  #turn(nowMs: number): void {
    const elapsedMs = nowMs - this.#windowStartMs
    if (elapsedMs < windowMs) return
    this.#previous = elapsedMs < 2 * windowMs ? this.#current : new Map()
    this.#current = new Map()
    this.#windowStartMs = nowMs
  }
}

/** The part of an address by which clients are told apart: all of an IPv4 address, the /64 network of an IPv6 one. */
function clientOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail = ''] = address.split('::')
  const [first, last] = [head, tail].map((part) => (part === '' ? [] : part.split(':')))
  const groups = first ?? []
  const zeros = address.includes('::') ? allGroups - groups.length - (last?.length ?? 0) : 0
  return [...groups, ...Array.from({ length: zeros }, () => '0'), ...(last ?? [])]
    .slice(0, networkGroups)
    .join(':')
}
