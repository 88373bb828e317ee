import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runFiles } from '../../../src/config/run-dir.ts'
import { Lifeline } from '../../../src/rescue/lifeline.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'
import { tempFolder } from '../support/temp-folder.ts'

const openFiles = () => readdirSync('/proc/self/fd').length

nativeTest(
  'a rescue socket that cannot be put back leaves nothing open, and is tried again',
  async (t) => {
    const files = runFiles('greeter', { HELLOSERVER_RUN_DIR: tempFolder(t) })
    const lifeline = new Lifeline(nativeModule(), files)
    t.after(() => {
      for (const fd of lifeline.fds) nativeModule().close(fd)
    })
    lifeline.publish()
    const { kept } = lifeline
    assert.equal(kept.isThere(), true)
    rmSync(files.rescueFile)
    mkdirSync(files.rescueFile)
    writeFileSync(join(files.rescueFile, 'file'), '')
    const before = openFiles()
    for (let times = 0; times < 3; times += 1) {
      assert.equal(kept.isThere(), false)
      assert.throws(() => kept.putBack())
      assert.equal(openFiles(), before)
      assert.deepEqual(readdirSync(files.runDir), ['greeter.next'])
    }
    rmSync(files.rescueFile, { recursive: true })
    await kept.putBack()
    assert.equal(kept.isThere(), true)
    lifeline.remove()
    assert.equal(existsSync(files.rescueFile), false)
  },
)
