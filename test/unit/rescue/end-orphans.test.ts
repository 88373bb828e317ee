import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { runFiles } from '../../../src/config/run-dir.ts'
import { endOrphans } from '../../../src/rescue/end-orphans.ts'
import { load } from '../support/config-file.ts'
import { endingListener } from '../support/ending-listener.ts'
import { keptLog } from '../support/kept-log.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('a worker that ends while it is called has ended', async (t) => {
  const files = runFiles('greeter', { HELLOSERVER_RUN_DIR: tempFolder(t) })
  const end = await endingListener(t, files.rescueFile)
  const ended = endOrphans(files, load(t, {}), 'it is a test', keptLog().log)
  // The call is in the system's queue by now.
  end()
  await ended
  assert.equal(existsSync(files.rescueFile), false)
})
