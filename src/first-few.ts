/**
 * A list in a sentence, such as `a, b and 7 more`.
 *
 * @param most - how many are named
 */
export function firstFew(names: readonly string[], most: number, separator = ', '): string {
  const named = names.slice(0, most).join(separator)
  return names.length > most ? `${named} and ${names.length - most} more` : named
}
