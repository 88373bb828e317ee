/**
 * `npm test`: installs, builds and runs every test. `npm test -- wire reload` runs only the files whose path contains
 * one of these words; `npm test -- unit` runs those that need no other process.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run as runTests } from 'node:test'
import { spec as Spec } from 'node:test/reporters'
import { build } from './build.js'
import { root, say } from './run.js'
import { needPrograms } from './test-programs.js'

/** No test file takes this long: one that does has hung, and must fail. */
const timeoutMs = 600_000

/** The number of files that run at a time. The tests within a file already run several at a time. */
const concurrency = 2

/** The fastest folders run first, so that failures show early; within a folder, files run in alphabetical order. */
const folders = ['unit', 'redis', 'process', 'fleet-faults', 'zero-loss']

const slowestShown = 10

await build()

const words = process.argv.slice(2)
const selected = readdirSync(join(root, 'dist/test'), { recursive: true })
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .toSorted((a, b) => folders.indexOf(folderOf(a)) - folders.indexOf(folderOf(b)) || compare(a, b))
if (selected.length === 0) {
  process.stderr.write(`No test file matches ${words.join(', ') || 'at all'}\n`)
  process.exit(1)
}
if (selected.some((file) => folderOf(file) !== 'unit')) needPrograms()
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
    const program = join(root, `dist/test/unit-${share + 1}.js`)
    const own = unit.filter((_file, at) => at % concurrency === share)
    writeFileSync(program, own.map((file) => `import './${file}'\n`).join(''))
    return program
  })
  return [...shares, ...others.map((file) => join(root, 'dist/test', file))]
}

function folderOf(file) {
  return file.split('/')[0]
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
      say(
        `${seconds.toFixed(1).padStart(6)} s  ${file?.slice(file.indexOf('dist/test/') + 10) ?? ''}  ${name}`,
      )
    }
  })
}
