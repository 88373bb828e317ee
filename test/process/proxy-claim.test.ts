import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '../helpers/client.ts'
import { isStopped, signalTo } from '../helpers/processes.ts'
import { counted, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const app = `export default {
  async handle(connection) {
    const line = await connection.readLine()
    await connection.write(connection.remote.address + ' ' + connection.proxy.version + ' ' + line)
  },
}
`

const header = 'PROXY TCP4 192.0.2.7 192.0.2.1 5555 43\r\n'

test('a worker that dies before it claims a connection leaves the header to another', async (t) => {
  const service = await startService(t, {
    app,
    config: { listen: [{ address: '127.0.0.1:0', proxyProtocol: true }] },
  })
  const [pid = 0] = await workerPids(service)
  signalTo(pid, 'SIGSTOP')
  await waitFor('the pause', () => isStopped(pid))
  const client = await Client.connect(service.port)
  await client.send(`${header}hel`)
  const second = await Client.connect(service.port)
  await second.send(`${header}second\r\n`)
  // The first is the worker's once both headers have been read; but a worker that is paused claims nothing.
  await waitFor('the headers', async () => (await service.status()).queue.length === 1)
  await client.send('lo\r\n')
  signalTo(pid, 'SIGKILL')
  assert.deepEqual(await client.ending(), { how: 'end', text: '192.0.2.7 1 hello\r\n' })
  assert.deepEqual(await second.ending(), { how: 'end', text: '192.0.2.7 1 second\r\n' })
  await counted(service, { accepted: 2, served: 2, failed: 0 })
  const [next] = await workerPids(service)
  assert.notEqual(next, pid)
})
