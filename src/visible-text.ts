/**
 * Characters that a terminal or a reader would obey, or not show at all: control characters of C0 and C1 and
 * DEL, format characters such as those that turn the direction of a text, line separators, and lone surrogates.
 */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/**
 * A foreign text, in one line that shows all of it: invisible characters are escaped as in a program. A text
 * that has been made visible stays as it is.
 */
export function visible(text: string): string {
  return text.replace(invisible, (character) => named[character] ?? escaped(character))
}

/** JSON with the same meaning that shows all of its characters: only strings can contain invisible ones. */
export function visibleJson(json: string): string {
  return json.replace(invisible, escaped)
}

/** The same for lines of JSON, or of anything else. */
export function visibleLines(lines: string): string {
  return lines.split('\n').map(visibleJson).join('\n')
}

/** Makes strings `visible`, at any depth; keys are left alone. */
export function withVisibleTexts(value: unknown): unknown {
  if (typeof value === 'string') return visible(value)
  if (Array.isArray(value)) return value.map(withVisibleTexts)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withVisibleTexts(inner)]),
  )
}

/** As JSON does, with one escape for each UTF-16 unit. */
function escaped(character: string): string {
  let text = ''
  for (let at = 0; at < character.length; at += 1) {
    text += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }
  return text
}
