import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, readdirSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { ClaimRegister, ClaimWriter, claimFd } from '../../../src/ipc/claim-register.ts'
import { tempFolder } from '../support/temp-folder.ts'

const { href: writerModule } = new URL('../../../src/ipc/claim-register.js', import.meta.url)

function register(t: TestContext) {
  const folder = tempFolder(t)
  const made = new ClaimRegister(folder)
  t.after(() => made.close())
  return { folder, register: made }
}

test('nothing is claimed at first; then what was claimed last', (t) => {
  const { register: made } = register(t)
  assert.equal(made.read(), 0)
  const writer = new ClaimWriter(made.fd)
  for (const id of [1, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER, 3]) {
    writer.write(id)
    assert.equal(made.read(), id)
  }
})

test('a register has no name that anyone could open or that could be left behind', (t) => {
  const { folder } = register(t)
  assert.deepEqual(readdirSync(folder), [])
})

test('registers in one folder are different ones', (t) => {
  const { folder, register: first } = register(t)
  const second = new ClaimRegister(folder)
  t.after(() => second.close())
  new ClaimWriter(first.fd).write(7)
  assert.equal(second.read(), 0)
})

test('a claim outlives a process that is killed right after it', async (t) => {
  const { register: made } = register(t)
  const claimAndDie = `import { ClaimWriter } from '${writerModule}'
    new ClaimWriter(${claimFd}).write(41)
    process.kill(process.pid, 'SIGKILL')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', claimAndDie], {
    stdio: ['ignore', 'inherit', 'inherit', 'ignore', 'ignore', made.fd],
  })
  const [, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  assert.equal(signal, 'SIGKILL')
  assert.equal(made.read(), 41)
})

test('a claim that cannot be written down throws', (t) => {
  const made = new ClaimRegister(tempFolder(t))
  const writer = new ClaimWriter(made.fd)
  closeSync(made.fd)
  assert.throws(() => writer.write(1), { code: 'EBADF' })
})
