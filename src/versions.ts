/** The releases that the tests run under: docs/versions.md. */
export const supported = { node: [20, 22, 24, 26], pm2: [5, 6, 7] } as const

/**
 * A warning about a release that the tests do not run under; undefined for one that they do.
 *
 * @param version - as the program itself says it, such as "22.18.0"
 */
export function versionWarning(
  program: keyof typeof supported,
  version: string,
): string | undefined {
  const majors: readonly number[] = supported[program]
  if (majors.includes(Number.parseInt(version, 10))) return undefined
  const name = program === 'node' ? 'Node.js' : 'pm2'
  return `${name} ${version} is not supported, though it may work; the supported releases are ${majors.join(', ')}`
}
