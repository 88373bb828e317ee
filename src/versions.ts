/** The releases that the tests run under: docs/versions.md. */
export const supported = {
  node: [20, 22, 24, 26],
  pm2: [5, 6, 7],
  redis: [6, 7, 8],
  valkey: [8, 9],
} as const

export type SupportedProgram = keyof typeof supported

interface Program {
  /** Its name for people. */
  readonly name: string
  /** The releases of which not every minor one will do, by their major numbers, and the first that does. */
  readonly since?: Readonly<Record<number, string>>
}

const programs: Readonly<Record<SupportedProgram, Program>> = {
  // From here on, CommonJS can load an ES module.
  node: { name: 'Node.js', since: { 20: '20.19', 22: '22.12' } },
  pm2: { name: 'pm2' },
  redis: { name: 'Redis' },
  valkey: { name: 'Valkey' },
}

/**
 * A warning about a release that the tests do not run under; undefined for one that they do.
 *
 * @param version - as the program itself says it, such as "22.18.0"
 */
export function versionWarning(program: SupportedProgram, version: string): string | undefined {
  const majors: readonly number[] = supported[program]
  const { name, since = {} } = programs[program]
  const major = Number.parseInt(version, 10)
  if (majors.includes(major) && isSince(since[major] ?? `${major}`, version)) return undefined
  const releases = majors.map((one) => since[one] ?? one).join(', ')
  return `${name} ${version} is not supported, though it may work; the supported releases are ${releases}`
}

/** Whether a version is not older than the first one, by its major and minor numbers. */
function isSince(first: string, version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [firstMajor = 0, firstMinor = 0] = first.split('.').map(Number)
  return major > firstMajor || (major === firstMajor && minor >= firstMinor)
}
