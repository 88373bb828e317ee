import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { runFiles } from '../../../src/config/run-dir.ts'
import { showLog } from '../../../src/pm2/log-view.ts'
import { LogCursor } from '../../../src/telemetry/log-cursor.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { keptLog } from '../support/kept-log.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('a cursor that cannot be written is warned of once, and the view goes on', async (t) => {
  const files = runFiles('test', { HELLOSERVER_RUN_DIR: tempFolder(t) })
  mkdirSync(files.logCursorFile)
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
  assert.match(String(lines[0]?.['msg']), /^Cannot keep how far the log was shown/)
  rmSync(files.logCursorFile, { recursive: true })
  appendFileSync(files.logFile, 'four\n')
  over.abort()
  await view
  assert.equal(shown, 'one\ntwo\nthree\nfour\n')
  assert.equal(new LogCursor(files.logCursorFile).read()?.offset, shown.length)
})
