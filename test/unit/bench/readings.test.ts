import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeReport } from '../../../bench/load.ts'
import { entryIn, writtenBytesIn } from '../../../bench/process-table.ts'
import { handOffIn } from '../../../bench/targets/hand-off.ts'

const numbers = '0 0 0 0 0 0 0 0 0 7 5 40 2 20 0 1 0'

test('a process is read from proc, whatever its name, with the time of its former children', () => {
  assert.deepEqual(entryIn(12, `12 (a) R 1 (b)) S 34 ${numbers}`), {
    pid: 12,
    parent: 34,
    cpuUs: 120_000,
    childrenCpuUs: 420_000,
  })
})

test('a zombie is no process any more', () => {
  assert.equal(entryIn(12, `12 (node) Z 34 ${numbers}`), null)
})

test('memory that was written is anonymous and shared memory, not that of files', () => {
  const text = 'Rss:   900 kB\nPss_Anon:   100 kB\nPss_File:   50 kB\nPss_Shmem:   20 kB\n'
  assert.equal(writtenBytesIn(text), 120 * 1024)
})

test('a report of the load generator is decoded, or refused with the key that is wrong', () => {
  const report = {
    ok: 5,
    refused: 1,
    reset: 0,
    short: 0,
    wrong: 0,
    timeout: 2,
    other: 0,
    seconds: 0.5,
    connectionsPerSecond: 10,
    latencyUs: null,
    idle: { open: 4, closedByServer: 0, failed: 0 },
    processes: 2,
    cpuSeconds: 0.1,
  }
  const decoded = decodeReport(JSON.stringify(report))
  assert.equal(decoded.failures.timeout, 2)
  assert.equal(decoded.idleOpen, 4)
  assert.equal(decoded.latencyUs, null)
  assert.throws(() => decodeReport(JSON.stringify({ ...report, ok: 'five' })), /wrote ok "five"/)
})

test('the way of handing over is what the status says, and portable where it says nothing', () => {
  const read = (status: object) => handOffIn(JSON.stringify(status))
  assert.equal(read({ name: 'bench' }).handOff, 'portable')
  assert.equal(read({ handOff: 'native', handOffReason: null }).handOff, 'native')
  const forced = { handOff: 'portable', handOffReason: 'HELLOSERVER_NATIVE is off' }
  assert.deepEqual(read(forced), { handOff: 'portable', reason: 'HELLOSERVER_NATIVE is off' })
})
