/**
 * `npm run matrix`: runs tests under the supported releases of Node.js, pm2, Redis and Valkey, and prints a table.
 *
 * Each row of `rows` changes one program and takes the newest of the others, with the tests of the parts that depend
 * on the changed one. `--short` runs the newest of all with a few tests; where that server cannot be fetched, with the
 * machine's own. `--node 22,26 --pm2 5 pm2-reload` runs the
 * given tests (words, as for `npm test`) under every combination of the given releases. `--write` writes the table to
 * docs/versions.md.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from './build.js'
import { nodeProgram, pm2Folder } from './matrix/npm-releases.js'
import { storeFolder } from './matrix/store-releases.js'
import { root, say } from './run.js'

/** The tests to run, as words of their paths. */
const tests = {
  /** Sockets between processes, streams, signals during a start, modules and TypeScript, the package in a project. */
  node: words(
    'unit/ wire. handoff. own-server. early-signals. /signals. /reload. /upgrade. kit- package. pm2-r',
  ),
  /** Everything that pm2 starts, stops, shows and triggers. */
  pm2: words('process/pm2-'),
  /** The scripts in Redis, and services on a server, with sentinels, in a cluster, over TLS. */
  store: words('test/redis/ process/lease. redis-kinds. fleet-permits.'),
  short: words(
    'wire. handoff. own-server. early-signals. /upgrade. pm2-reload. lease-scripts. servers.',
  ),
}

const { values, positionals } = parseArgs({
  options: {
    node: { type: 'string' },
    pm2: { type: 'string' },
    store: { type: 'string' },
    short: { type: 'boolean' },
    write: { type: 'boolean' },
  },
  allowPositionals: true,
})

await build()
const { supported } = await import('../dist/src/versions.js')
const stores = ['redis', 'valkey'].flatMap((name) => supported[name].map((one) => `${name}-${one}`))
const newest = {
  node: supported.node.at(-1),
  pm2: supported.pm2.at(-1),
  store: stores.at(-1),
}

const results = rows().map((row) => result(row))
const table = [
  '| Node.js | pm2 | Redis or Valkey | tests | result |',
  '| ------- | --- | --------------- | ----- | ------ |',
  ...results.map((row) => `| ${row.join(' | ')} |`),
].join('\n')
say(`\n${table}`)
if (values.write) writeTable()
if (results.some((row) => row.at(-1) !== 'passed')) process.exitCode = 1

function rows() {
  if (values.short) return [{ ...newest, words: tests.short }]
  const { node, pm2, store } = values
  if (node === undefined && pm2 === undefined && store === undefined && positionals.length === 0) {
    return [
      ...supported.node.map((one) => ({ node: one, pm2: newest.pm2, words: tests.node })),
      ...supported.pm2.map((one) => ({ node: newest.node, pm2: one, words: tests.pm2 })),
      ...stores.map((one) => ({ node: newest.node, store: one, words: tests.store })),
    ]
  }
  const chosen = positionals.length === 0 ? tests.short : positionals
  return list(node, newest.node).flatMap((oneNode) =>
    list(pm2, newest.pm2).flatMap((onePm2) =>
      list(store, newest.store).map((oneStore) => ({
        node: oneNode,
        pm2: onePm2,
        store: oneStore,
        words: chosen,
      })),
    ),
  )
}

function words(text) {
  return text.split(' ')
}

function list(text, otherwise) {
  return text?.split(',') ?? [otherwise]
}

/** Runs the tests of a row by `npm test`, and returns the cells of its line. */
function result({ node, pm2, store, words: chosen }) {
  const program = nodeProgram(node)
  const env = { ...process.env }
  const folders = [dirname(program.path)]
  const cells = [program.version, '', '']
  if (pm2 !== undefined) {
    const { folder, version } = pm2Folder(pm2)
    env.MATRIX_PM2 = folder
    cells[1] = version
  }
  if (store !== undefined) {
    const fetched = storeOrReason(store)
    cells[2] = fetched.version ?? `${store}: ${fetched.reason}`
    if (fetched.folder === undefined && !values.short) return [...cells, 0, 'not run']
    if (fetched.folder !== undefined) {
      folders.unshift(fetched.folder)
      env.MATRIX_STORE = fetched.version
    }
  }
  env.PATH = [...folders, env.PATH].join(delimiter)
  const names = [`Node.js ${cells[0]}`, cells[1] && `pm2 ${cells[1]}`, cells[2]].filter(Boolean)
  say(`\n${names.join(', ')}: ${chosen.join(' ')}`)
  const { stdout, status } = spawnSync(program.path, ['scripts/test.js', ...chosen], {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const count = (what) => Number(new RegExp(`^ℹ ${what} (\\d+)$`, 'm').exec(stdout)?.[1] ?? 0)
  const failed = count('fail') + count('cancelled')
  const isGood = status === 0 && failed === 0 && count('tests') > 0
  if (!isGood) say(stdout.slice(Math.max(0, stdout.indexOf('failing tests'))))
  return [...cells, count('tests'), isGood ? 'passed' : `${failed} failed`]
}

/** A release of Redis or Valkey, or why it cannot be had. */
function storeOrReason(store) {
  try {
    return storeFolder(store)
  } catch (error) {
    say(`${store} cannot be fetched: ${error.message}`)
    return { reason: 'cannot be fetched' }
  }
}

/** Replaces the table between the two marks in the documentation. */
function writeTable() {
  const file = join(root, 'docs/versions.md')
  const text = readFileSync(file, 'utf8')
  const marked = /(<!-- matrix -->\n)[^]*?(\n<!-- end of matrix -->)/
  if (!marked.test(text)) throw new Error(`${file} has no place for the table`)
  writeFileSync(file, text.replace(marked, `$1\n${table}\n$2`))
}
