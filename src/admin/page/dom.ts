/** The tone of an item; the style sheet has a colour and a shape for each. */
export type Tone = 'good' | 'warn' | 'bad' | 'plain'

/** Returns an element of the page's own markup. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`The page has no element "${id}"`)
  return found
}

/** Sets a text only if it differs: an untouched text can be selected and read. */
export function setText(shown: Element, text: string): void {
  if (shown.textContent !== text) shown.textContent = text
}

/** Sets the text and tone of an element of the page. */
export function show(id: string, text: string, tone?: Tone): void {
  const shown = byId(id)
  setText(shown, text)
  setTone(shown, tone)
}

export function setTone(shown: HTMLElement, tone: Tone | undefined): void {
  if (tone === undefined) delete shown.dataset['tone']
  else shown.dataset['tone'] = tone
}

/** Creates an element with a class and a text. */
export function element(name: string, className = '', text = ''): HTMLElement {
  const made = document.createElement(name)
  if (className !== '') made.className = className
  if (text !== '') made.textContent = text
  return made
}

/** How the items of a list are rendered: each has an element that stays as long as its key does. */
export interface Keyed<Item> {
  key(item: Item): string
  create(item: Item): HTMLElement
  update?(element: HTMLElement, item: Item): void
}

/** Makes a list's elements match the items, in their order. */
export function sync<Item>(parent: Element, items: readonly Item[], keyed: Keyed<Item>): void {
  const before = new Map(
    [...parent.children].map((child) => [(child as HTMLElement).dataset['key'], child]),
  )
  const kept = new Set<Element>()
  for (const [at, item] of items.entries()) {
    const key = keyed.key(item)
    const own = (before.get(key) as HTMLElement | undefined) ?? keyed.create(item)
    own.dataset['key'] = key
    before.delete(key)
    kept.add(own)
    keyed.update?.(own, item)
    if (parent.children[at] !== own) parent.insertBefore(own, parent.children[at] ?? null)
  }
  const gone = Array.from(parent.children).filter((child) => !kept.has(child))
  for (const child of gone) child.remove()
}
