import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ForegroundOutput } from '../../../src/telemetry/foreground-output.ts'
import { waitFor, within } from '../../helpers/wait-for.ts'
import { tempFolder } from '../support/temp-folder.ts'

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants

/** A pipe whose reader reads when it is told to. */
function pipeIn(t: TestContext, flags = O_WRONLY | O_NONBLOCK) {
  const path = join(tempFolder(t), 'pipe')
  execFileSync('mkfifo', ['-m', '600', path])
  const reading = openSync(path, O_RDONLY | O_NONBLOCK)
  const writing = openSync(path, flags)
  t.after(() => {
    closeSync(reading)
    closeSync(writing)
  })
  const chunk = Buffer.alloc(65_536)
  const read = () => {
    try {
      return chunk.toString('latin1', 0, readSync(reading, chunk))
    } catch {
      // Nothing is there at the moment.
      return ''
    }
  }
  return { writing, read }
}

const line = (number: number) => `${JSON.stringify({ number, text: 'x'.repeat(200) })}\n`

test('lines that the reader does not take wait, those beyond the bound are dropped and counted', async (t) => {
  const { writing, read } = pipeIn(t)
  const output = new ForegroundOutput(writing)
  const count = 10_000
  for (let number = 0; number < count; number += 1) output.write(line(number))
  let text = ''
  await waitFor('the number of lost lines', () => {
    text += read()
    return text.endsWith('"msg":"Log lines were lost"}\n')
  })
  const lines = text.split('\n').slice(0, -1)
  const told = JSON.parse(lines.pop() ?? '') as { level: string; lost: number }
  assert.equal(told.level, 'warn')
  assert.deepEqual(
    lines.map((one) => `${one}\n`),
    Array.from({ length: lines.length }, (_, number) => line(number)),
  )
  assert.equal(lines.length + told.lost, count)
  // A pipe takes 64 KiB.
  assert.ok(told.lost > 0 && text.length > 1_048_576)
  output.write('on\n')
  assert.equal(read(), 'on\n')
})

test('its end waits for the reader, but not for ever', async (t) => {
  const { writing, read } = pipeIn(t)
  const output = new ForegroundOutput(writing)
  for (let number = 0; number < 400; number += 1) output.write(line(number))
  let isClosed = false
  const closed = output.close().then(() => {
    isClosed = true
  })
  await delay(1)
  assert.equal(isClosed, false)
  let text = ''
  await waitFor('the last line', () => {
    text += read()
    return text.endsWith(line(399))
  })
  await closed
  for (let number = 0; number < 400; number += 1) output.write(line(number))
  await within('the end', output.close())
})

test('where nothing can be written, lines are lost, and nothing waits', async (t) => {
  const full = openSync('/dev/full', O_WRONLY)
  t.after(() => closeSync(full))
  const output = new ForegroundOutput(full)
  for (let number = 0; number < 3; number += 1) output.write(line(number))
  await within('the end', output.close())
})

const foregroundLog = new URL('../../../src/telemetry/foreground-log.js', import.meta.url).href

/** Prints more than any pipe or socket takes. */
const program = `
  import { foregroundLog } from '${foregroundLog}'
  const log = await foregroundLog(true)
  for (let number = 0; number < 20_000; number += 1) log.write('x'.repeat(200) + '\\n')
  await log.close()
  process.stderr.write('done')
  process.exit()`

for (const kind of ['a pipe', 'a socket'] as const) {
  test(`a program whose standard output is ${kind} that nobody reads goes on to its end`, async (t) => {
    const stdout = kind === 'a pipe' ? pipeIn(t, O_WRONLY).writing : 'pipe'
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', stdout, 'pipe'],
    })
    child.stdout?.pause()
    let said = ''
    ;(child.stderr as Readable).setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    await within('its end', new Promise((resolve) => child.once('exit', resolve)))
    child.stdout?.destroy()
    assert.equal(said, 'done')
  })
}
