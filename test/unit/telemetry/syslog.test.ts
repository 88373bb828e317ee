import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Syslog } from '../../../src/telemetry/syslog.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { tempFolder } from '../support/temp-folder.ts'

const line = `${JSON.stringify({ level: 'info', msg: 'Hello' })}\n`

/** Sends through a shell script in the place of logger(1). */
function through(t: TestContext, script: string) {
  const program = join(tempFolder(t), 'logger')
  if (script !== '') {
    writeFileSync(program, `#!/bin/sh\n${script}\n`)
    chmodSync(program, 0o755)
  }
  const reasons: string[] = []
  const syslog = new Syslog({
    target: 'local',
    service: 'test',
    pid: 1,
    onTrouble: (reason) => reasons.push(reason),
    program,
  })
  t.after(() => syslog.close())
  return { syslog, reasons }
}

test('the last lines are sent before it ends', async (t) => {
  const file = join(tempFolder(t), 'received')
  const { syslog, reasons } = through(t, `cat > ${file}`)
  for (let count = 0; count < 100; count += 1) syslog.write(line)
  await syslog.close()
  assert.equal(readFileSync(file, 'utf8'), '<134>Hello {}\n'.repeat(100))
  assert.deepEqual(reasons, [])
})

test('a program that is not there is told of once, and costs nothing else', async (t) => {
  const { syslog, reasons } = through(t, '')
  await waitFor('the reason', () => reasons.length > 0)
  for (let count = 0; count < 100; count += 1) syslog.write(line)
  await syslog.close()
  assert.equal(reasons.length, 1)
  assert.match(reasons[0] ?? '', /ENOENT/)
})

test('why it ended is what it said', async (t) => {
  const { reasons } = through(t, 'echo "logger: no such socket" >&2; exit 1')
  await waitFor('the reason', () => reasons.length > 0)
  assert.deepEqual(reasons, ['logger: no such socket'])
})

test('one that takes no lines holds nobody up, keeps little and is ended', async (t) => {
  const mark = join(tempFolder(t), 'started')
  const { syslog, reasons } = through(t, `: > ${mark}; exec sleep 60`)
  await waitFor('its start', () => existsSync(mark))
  const long = `${JSON.stringify({ level: 'info', msg: 'x'.repeat(4_000) })}\n`
  for (let count = 0; count < 1_000; count += 1) syslog.write(long)
  assert.deepEqual(reasons, ['it does not accept lines fast enough'])
  await syslog.close()
})
