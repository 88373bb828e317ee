/**
 * `npm test`: installs, builds and runs every test. `npm test -- wire reload` runs only the files whose path contains
 * one of these words; `npm test -- unit` runs those that need no other process, and the tests of the bundled apps.
 * `--portable` takes the native module from the services that the tests start, if they do not choose it.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { run as runTests } from 'node:test'
import { spec as Spec } from 'node:test/reporters'
import { build } from './build.js'
import { root, say } from './run.js'
import { needPrograms } from './test-programs.js'

/** No test file takes this long: one that does has hung, and must fail. */
const timeoutMs = 600_000

const cores = availableParallelism()

/** The number of files that run at a time. One more than compute, since the others wait for pm2 half of the time. */
const concurrency = cores + 1

/** The fastest folders run first, so that failures show early; within a folder, files run in alphabetical order. */
const folders = ['unit', 'redis', 'process', 'fleet-faults', 'zero-loss']

/** The files that take a minute and more, the longest first. They begin early, or the run would wait for them at its end. */
const longest = [
  'zero-loss/zero-loss',
  'process/documentation',
  'process/package',
  'fleet-faults/fleet-faults',
  'process/pm2-restart',
  'process/pm2-releases',
  'process/fleet-permits',
]

const compiled = join(root, 'dist')

const slowestShown = 10

const given = process.argv.slice(2)
const portable = '--portable'
if (given.includes(portable)) process.env.HELLOSERVER_NATIVE = 'off'
const words = given.filter((word) => word !== portable)
// The unit tests need none; and the build wants the compiler.
if (words.length !== 1 || words[0] !== 'unit') needPrograms()
await build()

const selected = ['test', 'apps']
  .flatMap((folder) => testsIn(folder))
  .filter((file) => words.length === 0 || words.some((word) => selectable(file).includes(word)))
  .toSorted((a, b) => folders.indexOf(folderOf(a)) - folders.indexOf(folderOf(b)) || compare(a, b))
if (selected.length === 0) {
  process.stderr.write(`No test file matches ${words.join(', ') || 'at all'}\n`)
  process.exit(1)
}
say(`Running ${selected.length} test files …`)
report(runTests({ files: programsOf(selected), concurrency, timeout: timeoutMs }))

/**
 * The programs to run as processes of their own. The unit tests are divided among as many programs as run at a time,
 * since starting Node.js for each file takes longer than its tests.
 */
function programsOf(files) {
  const unit = files.filter((file) => folderOf(file) === 'unit')
  const others = files.filter((file) => folderOf(file) !== 'unit')
  const shares = Array.from({ length: Math.min(concurrency, unit.length) }, (_, share) => {
    const program = join(compiled, `unit-${share + 1}.js`)
    const own = unit.filter((_file, at) => at % concurrency === share)
    writeFileSync(program, own.map((file) => `import './${file}'\n`).join(''))
    return program
  })
  return [...shares, ...longSpread(others).map((file) => join(compiled, file))]
}

/** The files with the longest spread evenly among the others, so that one at a time runs beside them. */
function longSpread(files) {
  const long = longest
    .map((name) => join('test', `${name}.test.js`))
    .filter((file) => files.includes(file))
  const others = files.filter((file) => !long.includes(file))
  const each = Math.ceil(others.length / long.length)
  const spread = long.flatMap((file, at) => [file, ...others.slice(at * each, (at + 1) * each)])
  return long.length === 0 ? others : spread
}

/** The test files in a folder of the compiled code, as paths from there. */
function testsIn(folder) {
  return readdirSync(join(compiled, folder), { recursive: true })
    .filter((file) => file.endsWith('.test.js'))
    .map((file) => join(folder, file))
}

/** What a word on the command line selects a file by. */
function selectable(file) {
  return join(folderOf(file), file)
}

function folderOf(file) {
  const [top, folder] = file.split('/')
  return top === 'apps' ? 'unit' : folder
}

function compare(a, b) {
  return a < b ? -1 : 1
}

/** Prints results as they arrive, then the slowest tests; the exit status says whether any test failed. */
function report(events) {
  const tests = []
  const onEnd = ({ name, nesting, file, details }) => {
    if (nesting === 0) tests.push({ name, file, seconds: details.duration_ms / 1_000 })
  }
  events.on('test:pass', onEnd)
  events.on('test:fail', (event) => {
    onEnd(event)
    process.exitCode = 1
  })
  const lines = events.compose(new Spec())
  lines.pipe(process.stdout)
  lines.once('end', () => {
    const slowest = tests.toSorted((a, b) => b.seconds - a.seconds).slice(0, slowestShown)
    say(`\nThe slowest ${slowest.length}:`)
    for (const { name, file, seconds } of slowest) {
      say(`${seconds.toFixed(1).padStart(6)} s  ${file?.slice(compiled.length + 1) ?? ''}  ${name}`)
    }
  })
}
