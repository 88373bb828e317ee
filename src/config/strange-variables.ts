import { variables } from './environment.ts'

const prefix = 'HELLOSERVER_'
/** What the project's own tests and tools are told. */
const ofTools = 'HELLOSERVER_TEST_'

/**
 * Variables that look like the service's and are not, each in a sentence that names what may have been meant: nothing
 * else would ever say that a setting does not work because of a typing error.
 */
export function strangeVariables(environment: NodeJS.ProcessEnv = process.env): string[] {
  const known: readonly string[] = Object.values(variables)
  return Object.entries(environment)
    .filter(([name, value]) => value !== undefined && value !== '' && isStrange(name, known))
    .map(([name]) => `${name} is no variable of helloserver; did you mean ${nearest(name, known)}?`)
    .toSorted()
}

/** In whatever case: variables of another one are other variables. */
function isStrange(name: string, known: readonly string[]): boolean {
  const upper = name.toUpperCase()
  return upper.startsWith(prefix) && !upper.startsWith(ofTools) && !known.includes(name)
}

function nearest(name: string, known: readonly string[]): string {
  // Half of a name is nearer to a short one than to its own.
  const whole = known.find(
    (one) => one.startsWith(name.toUpperCase()) && name.length > prefix.length,
  )
  if (whole !== undefined) return whole
  const distances = known.map((one) => distance(name.toUpperCase(), one))
  return known[distances.indexOf(Math.min(...distances))] ?? ''
}

/** How many characters must be put in, taken out or exchanged to make one of the other (Levenshtein's distance). */
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
