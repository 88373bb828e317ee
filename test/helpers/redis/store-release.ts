import { execFileSync } from 'node:child_process'

let known: number | undefined

/**
 * The release of the servers that the tests run, as a number such as 6.2: `npm run matrix` runs them with several.
 * Valkey began at 7.2.
 */
export function storeRelease(): number {
  known ??= read()
  return known
}

function read(): number {
  const text = execFileSync('redis-server', ['--version'], { encoding: 'utf8' })
  const [, release] = /\bv=(\d+\.\d+)/.exec(text) ?? []
  if (release === undefined) throw new Error(`redis-server --version printed: ${text}`)
  return Number(release)
}
