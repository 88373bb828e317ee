/**
 * `npm test`: installs, builds and runs every test; `npm test -- wire reload` only the files whose path
 * has one of the words in it.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build } from './build.js'
import { root, run, say } from './run.js'

/** No test file takes this long; one that does hangs, and is to fail instead. */
const timeoutMs = 300_000

/** By name, each with its package. */
const programs = {
  tmux: 'tmux',
  whois: 'whois',
  'systemd-socket-activate': 'systemd',
  chromium: 'chromium',
  promtool: 'prometheus',
  'redis-server': 'redis-server',
  'redis-sentinel': 'redis-sentinel',
  'redis-cli': 'redis-tools',
  faketime: 'faketime',
  tc: 'iproute2',
  openssl: 'openssl',
  rsyslogd: 'rsyslog',
  logger: 'bsdutils',
  setpriv: 'util-linux',
}

await build()
needPrograms()

const words = process.argv.slice(2)
const files = readdirSync(join(root, 'dist/test'), { recursive: true })
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .map((file) => join('dist/test', file))
  .toSorted()
if (files.length === 0) {
  process.stderr.write(`No test file matches ${words.join(', ') || 'at all'}\n`)
  process.exit(1)
}
say(`Running ${files.length} test files …`)
run(process.execPath, ['--test', '--test-reporter=spec', `--test-timeout=${timeoutMs}`, ...files])

/** The programs that the tests run and Debian has: what is missing is installed where this may, else asked for. */
function needPrograms() {
  const missing = Object.entries(programs).filter(([program]) => !isThere(program))
  if (missing.length === 0) return
  const packages = missing.map(([, debianPackage]) => debianPackage)
  if (process.getuid() !== 0 || !isThere('apt-get')) {
    const names = missing.map(([program]) => program).join(', ')
    process.stderr.write(
      `The tests need ${names}; install Debian's packages: apt-get install ${packages.join(' ')}\n`,
    )
    process.exit(1)
  }
  say(`Installing ${packages.join(', ')} …`)
  // In runlevel 1 Debian starts no service of what it installs: the tests start their own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  run('apt-get', ['-qq', 'update'], { env })
  run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', ...packages], { env })
}

function isThere(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined
}
