/**
 * `npm run matrix`: runs process tests under the supported releases of Node.js and pm2, and prints a table.
 *
 * `npm run matrix -- --node 26 --pm2 5,7 pm2-reload` runs one file under two combinations; without arguments, all
 * releases run the files below. Each release of Node.js runs with the newest pm2, and each pm2 with this Node.js.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from './build.js'
import { root, run, say } from './run.js'

/** Every part that depends on a release: starts, reloads, restarts, actions, the environment, upgrades, sockets. */
const usual = [
  'wire',
  'upgrade',
  'signals',
  'pm2-reload',
  'pm2-restart',
  'pm2-trigger',
  'pm2-environment',
]

const cache = join(root, 'node_modules/.cache/matrix')

const { values, positionals } = parseArgs({
  options: { node: { type: 'string' }, pm2: { type: 'string' } },
  allowPositionals: true,
})

await build()
const { supported } = await import('../dist/src/versions.js')
const files = filesOf(positionals.length === 0 ? usual : positionals)
const results = combinations().map(({ node, pm2 }) => tested(node, pm2))
say('\n| Node.js | pm2 | tests | result |\n| --- | --- | --- | --- |')
for (const { node, pm2, tests, failed } of results) {
  say(`| ${node} | ${pm2} | ${tests} | ${failed === 0 ? 'passed' : `${failed} failed`} |`)
}
process.exitCode = results.some(({ tests, failed }) => failed > 0 || tests === 0) ? 1 : 0

function combinations() {
  const { node, pm2 } = supported
  const [nodes, pm2s] = [numbers(values.node), numbers(values.pm2)]
  if (nodes !== undefined || pm2s !== undefined) {
    return (nodes ?? [node.at(-1)]).flatMap((one) =>
      (pm2s ?? [pm2.at(-1)]).map((other) => ({ node: one, pm2: other })),
    )
  }
  const own = Number.parseInt(process.versions.node, 10)
  return [
    ...node.map((one) => ({ node: one, pm2: pm2.at(-1) })),
    ...pm2.slice(0, -1).map((other) => ({ node: own, pm2: other })),
  ]
}

function numbers(text) {
  return text?.split(',').map(Number)
}

function filesOf(words) {
  const folder = join(root, 'dist/test/process')
  const found = readdirSync(folder)
    .filter((file) => words.some((word) => file === `${word}.test.js`))
    .map((file) => join(folder, file))
  if (found.length !== words.length) {
    process.stderr.write(
      `The test files are named as in test/process; not all of these are: ${words.join(', ')}\n`,
    )
    process.exit(1)
  }
  return found
}

/** Runs the files one after the other; pm2 and Node.js start many processes each. */
function tested(node, pm2) {
  const program = join(installed('node', node), 'bin/node')
  const folder = installed('pm2', pm2)
  say(`\nNode.js ${versionOf(program)} with pm2 ${packageVersion(folder)} …`)
  const args = ['--test', '--test-concurrency=1', '--test-reporter=tap', ...files]
  const { stdout } = spawnSync(program, args, {
    cwd: root,
    env: { ...process.env, HELLOSERVER_TEST_PM2: folder },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const count = (what) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(stdout)?.[1] ?? 0)
  const failed = count('fail') + count('cancelled')
  if (failed > 0)
    say(
      stdout
        .split('\n')
        .filter((line) => /^ *not ok/.test(line))
        .join('\n'),
    )
  return { node, pm2, tests: count('tests'), failed }
}

/** The folder of a release from the npm registry, which is installed when first needed. */
function installed(program, major) {
  const folder = join(cache, `${program}-${major}`)
  const name = program === 'node' ? `node-${process.platform}-${process.arch}` : program
  const path = join(folder, 'node_modules', name)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n')
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${major}`], {
    cwd: folder,
  })
  return path
}

function versionOf(program) {
  return spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.trim().slice(1)
}

function packageVersion(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version
}
