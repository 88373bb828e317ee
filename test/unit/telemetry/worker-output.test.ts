import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { WorkerOutput } from '../../../src/telemetry/worker-output.ts'
import { keptLog, type LogLine } from '../support/kept-log.ts'

const printer = { number: 2, generation: 3, pid: 77 }

function output() {
  const raw: string[] = []
  const { log, lines } = keptLog()
  const whole = new WorkerOutput({ write: (line) => void raw.push(line) }, log)
  const sink = whole.open(printer)
  const write = (text: string, stream: 'stdout' | 'stderr') => sink[stream](Buffer.from(text))
  return { raw, lines, write, whole }
}

test("a line of our own logger's goes through as it is", () => {
  const { raw, lines, write } = output()
  createLogger({ service: 'x', role: 'worker' }, 'info', {
    write: (line) => write(line, 'stdout'),
  }).info({ a: 1 }, 'hello')
  assert.equal(raw.length, 1)
  assert.ok(raw[0]?.endsWith('\n'))
  const line = JSON.parse(raw[0] ?? '') as LogLine
  assert.deepEqual([line['level'], line['a'], line['msg']], ['info', 1, 'hello'])
  assert.equal(lines.length, 0)
})

test("an app's output becomes a line that names the worker and the stream", () => {
  const { raw, lines, write } = output()
  write('plain text\n', 'stdout')
  write('{"json": "of the app"}\n', 'stderr')
  assert.equal(raw.length, 0)
  const seen = lines.map(({ level, slot, generation, workerPid, stream, msg }) => [
    level,
    slot,
    generation,
    workerPid,
    stream,
    msg,
  ])
  assert.deepEqual(seen, [
    ['info', 2, 3, 77, 'stdout', 'plain text'],
    ['error', 2, 3, 77, 'stderr', '{"json": "of the app"}'],
  ])
})

/** How many lines were logged, and how many the log says were dropped. */
function tally(lines: readonly LogLine[], raw: readonly string[]) {
  const summaries = lines.filter(({ dropped }) => dropped !== undefined)
  const dropped = summaries.reduce((sum, line) => sum + Number(line['dropped']), 0)
  return { logged: lines.length - summaries.length + raw.length, dropped }
}

for (const [what, line] of [
  ['plain', 'x\n'],
  ['structured', '{"level":"info"}\n'],
] as const) {
  test(`of a flood of ${what} lines a bounded part is logged, and the rest is counted`, (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { raw, lines, write } = output()
    const total = 200_000
    for (let count = 0; count < total; count += 5_000) write(line.repeat(5_000), 'stdout')
    t.mock.timers.runAll()
    const { logged, dropped } = tally(lines, raw)
    assert.equal(logged + dropped, total)
    // A line costs as one, and its length besides.
    assert.ok(logged >= 1_900 && logged < 20_000, `${logged} lines were logged`)
    assert.match(String(lines.at(-1)?.['msg']), /^Dropped \d+ lines that worker 2 printed/)
    t.mock.timers.reset()
  })
}

test('a line without an end is bounded as well', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { raw, lines, write } = output()
  const chunk = 'x'.repeat(65_536)
  for (let count = 0; count < 1_000; count += 1) write(chunk, 'stderr')
  const { logged } = tally(lines, raw)
  assert.ok(logged > 10 && logged < 200, `${logged} pieces were logged`)
})

test('a worker that floods the log does not silence another', () => {
  const { lines, write, whole } = output()
  write('x\n'.repeat(100_000), 'stdout')
  whole.open({ number: 3, generation: 1, pid: 78 }).stdout(Buffer.from('heard\n'))
  assert.equal(lines.at(-1)?.['msg'], 'heard')
})
