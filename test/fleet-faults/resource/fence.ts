/** Refuses tokens that are older than the highest one that it has seen. */
export class Fence {
  #highest = -Infinity

  admits(token: number): boolean {
    if (token < this.#highest) return false
    this.#highest = token
    return true
  }
}
