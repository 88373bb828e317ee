/** The programs that the tests need, all packaged by Debian. */
import { spawnSync } from 'node:child_process'
import { run, say } from './run.js'

/** Each program, with its package. */
const programs = {
  tmux: 'tmux',
  nc: 'netcat-openbsd',
  curl: 'curl',
  whois: 'whois',
  'systemd-socket-activate': 'systemd',
  'chromium-headless-shell': 'chromium-headless-shell',
  promtool: 'prometheus',
  'redis-server': 'redis-server',
  'redis-sentinel': 'redis-sentinel',
  'redis-cli': 'redis-tools',
  luacheck: 'lua-check',
  faketime: 'faketime',
  tc: 'iproute2',
  openssl: 'openssl',
  rsyslogd: 'rsyslog',
  logger: 'bsdutils',
  logrotate: 'logrotate',
  'systemd-tmpfiles': 'systemd',
  setpriv: 'util-linux',
  haproxy: 'haproxy',
  socat: 'socat',
  strace: 'strace',
  cc: 'gcc',
  'musl-gcc': 'musl-tools',
}

/** Packages that programs among these need for the tests, and that Debian only recommends. */
const companions = { cc: ['libc6-dev'] }

/** Installs missing programs where this process may; otherwise names them and exits with status 1. */
export function needPrograms() {
  const missing = Object.entries(programs).filter(([program]) => !isThere(program))
  if (missing.length === 0) return
  const packages = missing.flatMap(([program, debianPackage]) => [
    debianPackage,
    ...(companions[program] ?? []),
  ])
  if (process.getuid() !== 0 || !isThere('apt-get')) {
    const names = missing.map(([program]) => program).join(', ')
    process.stderr.write(
      `The tests need ${names}; install Debian's packages: apt-get install ${packages.join(' ')}\n`,
    )
    process.exit(1)
  }
  say(`Installing ${packages.join(', ')} …`)
  // In runlevel 1, Debian does not start the services that it installs: the tests start their own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  run('apt-get', ['-qq', 'update'], { env })
  run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', ...packages], { env })
}

function isThere(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined
}
