import { cutText } from '../errors.ts'
import { firstFew } from '../first-few.ts'

/** How many items of a list an error quotes, and how many characters of a value. */
const quoted = { items: 3, characters: 400 }

/** A value of the configuration, as an error or a warning quotes it; `missing` when there is none. */
export function shownValue(value: unknown): string {
  const shown =
    Array.isArray(value) && value.length > quoted.items
      ? `[${firstFew(
          value.map((item) => JSON.stringify(item)),
          quoted.items,
        )}]`
      : (JSON.stringify(value) ?? 'missing')
  return cutText(shown, quoted.characters)
}
