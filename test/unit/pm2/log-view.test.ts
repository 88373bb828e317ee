import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { runFiles } from '../../../src/config/run-dir.ts'
import { showLog } from '../../../src/pm2/log-view.ts'
import { LogCursor } from '../../../src/telemetry/log-cursor.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { keptLog } from '../support/kept-log.ts'
import { tempFolder } from '../support/temp-folder.ts'

describe('the view of the log', { concurrency: true }, () => {
  test('a cursor that cannot be written causes one warning, and the lines are still shown', async (t) => {
    const files = runFiles('test', { HELLOSERVER_RUN_DIR: tempFolder(t) })
    mkdirSync(join(files.logCursorFile, 'in the way'), { recursive: true })
    const { log, lines } = keptLog()
    let shown = ''
    const pm2 = {
      show: async (part: string | Buffer) => {
        shown += part.toString()
      },
    }
    const over = new AbortController()
    const view = showLog(files, pm2, log, over.signal)
    for (const line of ['one\n', 'two\n', 'three\n']) {
      appendFileSync(files.logFile, line)
      await waitFor(line, () => shown.endsWith(line))
    }
    assert.equal(lines.length, 1)
    assert.match(String(lines[0]?.['msg']), /^Cannot save the position in the log/)
    rmSync(files.logCursorFile, { recursive: true })
    appendFileSync(files.logFile, 'four\n')
    over.abort()
    await view
    assert.equal(shown, 'one\ntwo\nthree\nfour\n')
    assert.equal(new LogCursor(files.logCursorFile).read()?.offset, shown.length)
  })

  test('a cursor that is removed is restored, even if nothing is logged', async (t) => {
    const files = runFiles('test', { HELLOSERVER_RUN_DIR: tempFolder(t) })
    const { log } = keptLog()
    const over = new AbortController()
    appendFileSync(files.logFile, 'one\n')
    const view = showLog(files, { show: async () => {} }, log, over.signal)
    const cursor = new LogCursor(files.logCursorFile)
    await waitFor('the cursor', () => cursor.read() !== undefined)
    rmSync(files.logCursorFile)
    await waitFor('the cursor again', () => cursor.read()?.offset === 4)
    over.abort()
    await view
  })

  test('a log that cannot be read for a while is shown when it can be', async (t) => {
    const files = runFiles('test', { HELLOSERVER_RUN_DIR: tempFolder(t) })
    const { log, lines } = keptLog()
    const over = new AbortController()
    let shown = ''
    let isBroken = true
    const show = async (part: string | Buffer) => {
      if (isBroken) throw new Error('pm2 does not listen')
      shown += part.toString()
    }
    appendFileSync(files.logFile, 'one\n')
    const view = showLog(files, { show }, log, over.signal)
    await waitFor('the warning', () => lines.length > 0)
    isBroken = false
    await waitFor('the line', () => shown === 'one\n')
    over.abort()
    await view
    assert.equal(lines.length, 1)
    assert.match(String(lines[0]?.['msg']), /^Cannot show the log/)
  })
})
