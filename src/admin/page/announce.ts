import { byId } from './dom.ts'

/** Tells who does not see the page: only what is news, since each word interrupts. */
export function announce(text: string): void {
  byId('announcement').textContent = text
}
