/** `npm start`: installs, builds, and serves under pm2. Harmless when the service is already running. */
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from './build.js'
import { root, say } from './run.js'

const name = 'helloserver'
const pm2 = join(root, 'node_modules/pm2/bin/pm2')
const cli = join(root, 'dist/src/bin/cli.js')

await build()
const startedAt = new Date().toISOString()
const before = app()
if (before === undefined || before.pm2_env.status !== 'online') {
  say('Starting under pm2 …')
  startUnderPm2()
}
const { endpointText } = await import(pathToFileURL(join(root, 'dist/src/endpoint.js')).href)
const status = serviceStatus()
if (status === undefined) fail()
say(`
${name} serves on ${endpointText(status.listen)}${before?.pm2_env.status === 'online' ? ' already' : ''}: process ${status.pid}, ${status.workers.length} workers.

  try it     printf 'hello\\r\\n' | nc -w 1 127.0.0.1 ${status.listen.port}
  look       npx helloserver status    npx pm2 monit    npx pm2 logs ${name}
  deploy     npm run build && npx pm2 reload ${name}
  stop       npx pm2 stop ${name}`)

/** The service as pm2 lists it. */
function app() {
  const list = execFileSync(process.execPath, [pm2, 'jlist', '--silent'], {
    cwd: root,
    encoding: 'utf8',
  })
  // If pm2 must start its daemon first, it prints messages before the list.
  return JSON.parse(
    list.slice(list.indexOf('[{') >= 0 ? list.indexOf('[{') : list.lastIndexOf('[]')),
  ).find((entry) => entry.name === name)
}

function startUnderPm2() {
  const {
    status: code,
    stdout,
    stderr,
  } = spawnSync(process.execPath, [pm2, 'start', 'ecosystem.config.js', '--update-env'], {
    cwd: root,
    encoding: 'utf8',
  })
  if (code !== 0) {
    process.stderr.write(`pm2 could not start the service:\n${stdout}${stderr}`)
    process.exit(1)
  }
}

function serviceStatus() {
  const { status: code, stdout } = spawnSync(process.execPath, [cli, 'status', '--json'], {
    encoding: 'utf8',
  })
  return code === 0 ? JSON.parse(stdout) : undefined
}

/** Reports a failed start: the reason is in the log that pm2 keeps. */
function fail() {
  const { stdout } = spawnSync(
    process.execPath,
    [pm2, 'logs', name, '--nostream', '--raw', '--lines', '10'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  )
  const reasons = stdout.split('\n').flatMap((line) => {
    try {
      const { time, reason } = JSON.parse(line)
      return time >= startedAt && reason !== undefined ? [reason] : []
    } catch {
      // Not one of the service's own lines.
      return []
    }
  })
  // Without this, pm2 would keep trying to start an app that never ran before.
  if (before === undefined) spawnSync(process.execPath, [pm2, 'delete', name], { cwd: root })
  process.stderr.write(
    `${name} does not serve: ${reasons.at(-1) ?? `see "npx pm2 logs ${name}"`}\n`,
  )
  process.exit(1)
}
