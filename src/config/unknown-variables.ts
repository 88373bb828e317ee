import { variables } from './environment.ts'

const prefix = 'HELLOSERVER_'
/** The prefix of variables for the project's own tests and tools. */
const ofTools = 'HELLOSERVER_TEST_'

/**
 * Variables that look like the service's but are not, each in a sentence that suggests the intended one:
 * nothing else would reveal that a setting has no effect because of a typing error.
 */
export function unknownVariables(environment: NodeJS.ProcessEnv = process.env): string[] {
  const known: readonly string[] = Object.values(variables)
  return Object.entries(environment)
    .filter(([name, value]) => value !== undefined && value !== '' && isUnknown(name, known))
    .map(
      ([name]) => `${name} is not a variable of helloserver; did you mean ${nearest(name, known)}?`,
    )
    .toSorted()
}

/** Compares the prefix in upper case: a variable in another case is a different one. */
function isUnknown(name: string, known: readonly string[]): boolean {
  const upper = name.toUpperCase()
  return upper.startsWith(prefix) && !upper.startsWith(ofTools) && !known.includes(name)
}

function nearest(name: string, known: readonly string[]): string {
  // By distance, half of a name is closer to another short name than to its own.
  const whole = known.find(
    (one) => one.startsWith(name.toUpperCase()) && name.length > prefix.length,
  )
  if (whole !== undefined) return whole
  const distances = known.map((one) => distance(name.toUpperCase(), one))
  return known[distances.indexOf(Math.min(...distances))] ?? ''
}

/** How many insertions, deletions or replacements turn one text into the other (Levenshtein distance). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (const [at, character] of Array.from(one).entries()) {
    const next = [at + 1]
    for (let to = 0; to < other.length; to += 1) {
      const kept = (row[to] ?? 0) + (character === other[to] ? 0 : 1)
      next.push(Math.min(kept, (row[to + 1] ?? 0) + 1, (next[to] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
