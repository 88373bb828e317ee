import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { WorkerOutput } from '../../../src/telemetry/worker-output.ts'
import { keptLog, type LogLine } from '../support/kept-log.ts'

const printer = { number: 2, generation: 3, pid: 77 }

function output() {
  const raw: string[] = []
  const { log, lines } = keptLog()
  const sink = new WorkerOutput({ write: (line) => void raw.push(line) }, log)
  const write = (text: string, stream: 'stdout' | 'stderr') =>
    sink.write(printer, Buffer.from(text), stream)
  return { raw, lines, write }
}

test("a line of our own logger's goes through as it is", () => {
  const { raw, lines, write } = output()
  createLogger({ service: 'x', role: 'worker' }, 'info', {
    write: (line) => write(line.trimEnd(), 'stdout'),
  }).info({ a: 1 }, 'hello')
  assert.equal(raw.length, 1)
  assert.ok(raw[0]?.endsWith('\n'))
  const line = JSON.parse(raw[0] ?? '') as LogLine
  assert.deepEqual([line['level'], line['a'], line['msg']], ['info', 1, 'hello'])
  assert.equal(lines.length, 0)
})

test('what an app prints becomes a line that says who printed it, and where', () => {
  const { raw, lines, write } = output()
  write('plain text', 'stdout')
  write('{"json": "of the app"}', 'stderr')
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
