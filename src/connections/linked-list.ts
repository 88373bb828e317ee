/** The links of an element in a list; only the list writes them. */
export interface Links<T> {
  next: T | undefined
  previous: T | undefined
}

/** A list whose elements can be inserted and removed anywhere in constant time. */
export class LinkedList<T extends Links<T>> {
  #head: T | undefined
  #tail: T | undefined
  #length = 0

  get head(): T | undefined {
    return this.#head
  }

  get tail(): T | undefined {
    return this.#tail
  }

  get length(): number {
    return this.#length
  }

  append(element: T): void {
    this.insertBefore(undefined, element)
  }

  /** Inserts `element` before `next`, an element of this list, or at the end when `next` is undefined. */
  insertBefore(next: T | undefined, element: T): void {
    const previous = next === undefined ? this.#tail : next.previous
    element.next = next
    element.previous = previous
    if (previous === undefined) this.#head = element
    else previous.next = element
    if (next === undefined) this.#tail = element
    else next.previous = element
    this.#length += 1
  }

  /** Removes an element; false when no list holds it. */
  remove(element: T): boolean {
    const { next, previous } = element
    if (previous === undefined && this.#head !== element) return false
    if (previous === undefined) this.#head = next
    else previous.next = next
    if (next === undefined) this.#tail = previous
    else next.previous = previous
    element.next = undefined
    element.previous = undefined
    this.#length -= 1
    return true
  }

  *[Symbol.iterator](): Generator<T> {
    for (let element = this.#head; element !== undefined; ) {
      // The loop's body may remove the current element.
      const { next } = element
      yield element
      element = next
    }
  }
}
