/** Shared by the scripts: run a program, report progress, and exit with the program's status when it fails. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Prints a line of progress. */
export function say(text) {
  process.stdout.write(`${text}\n`)
}

/** Runs a program in the project's folder; on failure, exits with its status. */
export function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    ...options,
  })
  if (error) {
    process.stderr.write(`Cannot run ${command}: ${error.message}\n`)
    process.exit(1)
  }
  if (status !== 0) {
    process.stderr.write(
      `${command} ${args.join(' ')} failed with ${signal ?? `status ${status}`}\n`,
    )
    process.exit(status ?? 1)
  }
}

/** Installs the packages of the lock file, unless they are already installed. */
export function install() {
  if (isInstalled()) return
  say('Installing packages …')
  // The compiler is a development package, which npm would omit under a NODE_ENV of "production".
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'])
}

/** By content, since a deploy may bring another lock file with an older date. */
function isInstalled() {
  const installed = packagesOf('node_modules/.package-lock.json')
  const locked = Object.entries(packagesOf('package-lock.json') ?? {})
  return (
    installed !== undefined &&
    locked.every(
      ([path, wanted]) =>
        path === '' || installed[path]?.version === wanted.version || isOptional(path, wanted),
    )
  )

  /** Packages for other systems are locked too, and never installed here. */
  function isOptional(path, { optional = false }) {
    return optional && installed[path] === undefined
  }
}

/** The packages in a lock file, by their place; undefined when there is no such file. */
function packagesOf(file) {
  const path = `${root}${file}`
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : undefined
}

/** Requires this process's Node.js to have a version that the package demands, such as "^20.19 || >=22.12". */
export function requireNode() {
  const { engines } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
  const [major, minor] = process.versions.node.split('.').map(Number)
  const ranges = [...engines.node.matchAll(/(\^|>=)(\d+)\.(\d+)/g)]
  const fits = ranges.some(([, kind, leastMajor, leastMinor]) =>
    major === Number(leastMajor)
      ? minor >= Number(leastMinor)
      : kind === '>=' && major > Number(leastMajor),
  )
  if (fits) return
  const least = ranges.map(([, , leastMajor, leastMinor]) => `${leastMajor}.${leastMinor}`)
  process.stderr.write(
    `helloserver needs Node.js ${least.join(', ')} or newer; this is ${process.versions.node}\n`,
  )
  process.exit(1)
}
