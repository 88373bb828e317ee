import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import { startService } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Fifty connections to a control socket, each a nuisance of one of five kinds, again when it is hung up on. */
const nuisance = `
import { connect } from 'node:net'
const request = (id) => ({ jsonrpc: '2.0', method: 'status', id, params: {} })
const batch = JSON.stringify(Array.from({ length: 60_000 }, (_, id) => request(id))) + '\\n'
const kinds = [
  () => batch,
  () => (JSON.stringify(request(1)) + '\\n').repeat(1_000),
  () => '{"jsonrpc":',
  () => '',
  () => '['.repeat(250_000) + '\\n',
]
let begun = 0
function open(index) {
  const socket = connect(process.argv[1], () => {
    begun += 1
    if (begun === 100) process.send('raging')
    socket.write(kinds[index % kinds.length]())
  })
  if (index % 2 === 0) socket.resume()
  socket.on('error', () => {})
  socket.once('close', () => setTimeout(open, 5, index))
}
for (let index = 0; index < 50; index += 1) open(index)
`

test('abuse of the control socket holds up neither clients nor status', async (t) => {
  const service = await startService(t, { config: { workers: 1 } })
  const rssMb = () =>
    Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))?.[1]) / 1_024
  const asked = async () => {
    const startMs = performance.now()
    assert.deepEqual(await ask(service.port, 'a\r\n'), { how: 'end', text: 'a\r\n' })
    return performance.now() - startMs
  }
  await asked()
  const beforeMb = rssMb()
  let isRaging = false
  const abuser = spawn(
    process.execPath,
    ['--input-type=module', '-e', nuisance, service.sandbox.socketFile],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  )
  t.after(() => abuser.kill('SIGKILL'))
  abuser.once('message', () => {
    isRaging = true
  })
  await waitFor('the abuse', () => isRaging)
  const tookMs: number[] = []
  for (let count = 0; count < 40; count += 1) {
    tookMs.push(await asked())
    if (count % 20 !== 0) continue
    const { status, stderr } = await service.cli('status')
    assert.deepEqual([status, stderr], [0, ''])
  }
  // One such batch alone held the primary up for three seconds, and took 500 MB.
  assert.ok(Math.max(...tookMs) < 2_000, `An answer took ${Math.max(...tookMs)} ms`)
  assert.ok(rssMb() - beforeMb < 150, `The primary has grown from ${beforeMb} to ${rssMb()} MB`)
  abuser.kill('SIGKILL')
  await reload(service)
})
