import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compiledProgram } from '../helpers/compiled-program.ts'
import { nativeTest } from '../unit/support/native-test.ts'

const module = fileURLToPath(new URL('../../src/native/helloserver.node', import.meta.url))

nativeTest('the module that was compiled for glibc carries a connection with musl, too', (t) => {
  assert.ok(existsSync(module))
  const sources = ['test/native/musl-host.c', 'test/native/node-stand-in.c']
  // The module finds Node.js and libc in the process that loads it.
  const host = compiledProgram(t, sources, 'musl-gcc', ['-rdynamic'])
  const { status, stdout, stderr } = spawnSync(host, [module], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.equal(stdout, 'answer\n')
})
