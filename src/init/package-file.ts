import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, HelloserverError } from '../errors.ts'
import { fileError } from '../files/file-error.ts'
import { parseJson } from '../files/json-file.ts'

/** A package.json, or settings for one. */
export type PackageSettings = Readonly<Record<string, unknown>>

/** The change that was made to a package.json. */
export interface PackageChange {
  /** For people, such as `written` or `added scripts.start`. */
  readonly summary: string
  /** Whether `.js` and `.ts` files are ES modules. */
  readonly isModule: boolean
}

/** The sections of an existing package.json to which missing entries are added; all others stay as they are. */
const sections = ['scripts', 'dependencies', 'devDependencies'] as const

/**
 * Writes a package.json, or adds to an existing one the scripts and dependencies that it lacks.
 *
 * @param settingsFor - returns the settings, for a package of ES modules or of CommonJS; a new package has ES modules
 * @throws HelloserverError `BAD_CONFIG` when it cannot be read or written
 */
export function updatePackageFile(
  root: string,
  settingsFor: (isModule: boolean) => PackageSettings,
): PackageChange {
  const path = join(root, 'package.json')
  const text = textOf(path)
  if (text === undefined) {
    write(path, settingsFor(true), 2)
    return { summary: 'written', isModule: true }
  }
  const existing = decode(path, text)
  const isModule = existing['type'] === 'module'
  const { merged, added, left } = merge(existing, settingsFor(isModule))
  if (added.length > 0) write(path, merged, /^[ \t]+/m.exec(text)?.[0] ?? 2)
  const words = [
    ...(added.length > 0 ? [`added ${added.join(', ')}`] : []),
    ...(left.length > 0 ? [`left ${left.join(', ')} as it is`] : []),
  ]
  return { summary: words.length > 0 ? words.join('; ') : 'unchanged', isModule }
}

interface Merge {
  readonly merged: PackageSettings
  /** Names such as `scripts.start`. */
  readonly added: readonly string[]
  readonly left: readonly string[]
}

function merge(existing: PackageSettings, settings: PackageSettings): Merge {
  const merged: Record<string, unknown> = { ...existing }
  const added: string[] = []
  const left: string[] = []
  for (const section of sections) {
    const wanted = settings[section] as PackageSettings | undefined
    const present = (existing[section] ?? {}) as PackageSettings
    const missing = Object.entries(wanted ?? {}).filter(([key]) => !isThere(existing, section, key))
    for (const [key, value] of Object.entries(wanted ?? {})) {
      if (missing.some(([name]) => name === key)) added.push(`${section}.${key}`)
      else if (present[key] !== undefined && present[key] !== value) left.push(`${section}.${key}`)
    }
    if (missing.length > 0) merged[section] = { ...present, ...Object.fromEntries(missing) }
  }
  return { merged, added, left }
}

/** A package counts as present whichever kind of dependency it is. */
function isThere(existing: PackageSettings, section: string, key: string): boolean {
  const kinds = section === 'scripts' ? ['scripts'] : ['dependencies', 'devDependencies']
  return kinds.some((kind) => Object.hasOwn(existing[kind] ?? {}, key))
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw fileError('BAD_CONFIG', 'read', path, error)
  }
}

function decode(path: string, text: string): PackageSettings {
  const value = parseJson(path, text)
  if (!isObject(value)) throw new HelloserverError('BAD_CONFIG', `${path} must hold an object`)
  const wrong = sections.find((section) => !isObject(value[section] ?? {}))
  if (wrong === undefined) return value
  throw new HelloserverError(
    'BAD_CONFIG',
    `${wrong} in ${path} is ${JSON.stringify(value[wrong])}; it must be an object`,
  )
}

const isObject = (value: unknown): value is PackageSettings =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function write(path: string, settings: PackageSettings, indent: string | number): void {
  try {
    writeFileSync(path, `${JSON.stringify(settings, null, indent)}\n`)
  } catch (error) {
    throw fileError('BAD_CONFIG', 'write', path, error)
  }
}
