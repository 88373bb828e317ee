import { byId } from './dom.ts'

/** Announces a text to users of screen readers. Only for news, since each announcement interrupts. */
export function announce(text: string): void {
  byId('announcement').textContent = text
}
