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

await build()
needProgram('tmux', 'tmux')
needProgram('whois', 'whois')
needProgram('systemd-socket-activate', 'systemd')
needProgram('chromium', 'chromium')
needProgram('promtool', 'prometheus')
needProgram('redis-server', 'redis-server')
needProgram('redis-sentinel', 'redis-sentinel')
needProgram('redis-cli', 'redis-tools')
needProgram('faketime', 'faketime')
needProgram('tc', 'iproute2')
needProgram('openssl', 'openssl')
needProgram('rsyslogd', 'rsyslog')

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

/** A program that the tests run and Debian has: installed where this may, else asked for. */
function needProgram(program, debianPackage) {
  if (spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined) return
  if (
    process.getuid() !== 0 ||
    spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).error !== undefined
  ) {
    process.stderr.write(`The tests need ${program}; install Debian's package "${debianPackage}"\n`)
    process.exit(1)
  }
  say(`Installing ${debianPackage} …`)
  // In runlevel 1 Debian starts no service of what it installs: the tests start their own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  run('apt-get', ['-qq', 'update'], { env })
  run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', debianPackage], { env })
}
