import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { freePort } from '../helpers/free-port.ts'
import { Load } from '../helpers/load.ts'
import { counted, startService } from '../helpers/service.ts'

const asked = 200

/** What a server says to a client that sends nothing. */
async function greeting(port: number): Promise<string> {
  const client = connect(port, '127.0.0.1')
  await once(client, 'connect')
  return text(client)
}

// The portable way goes by the same channel as node:cluster, below Node's own messages.
for (const wish of ['on', 'off']) {
  test(`an app's own server in the workers gets its connections beside the service's (HELLOSERVER_NATIVE=${wish})`, async (t) => {
    const own = await freePort()
    const app = `import { createServer } from 'node:net'
  export default {
    setup: () => new Promise((resolve) => createServer((socket) => socket.end('own')).listen(${own}, '127.0.0.1', resolve)),
    async handle(connection) {
      await connection.write((await connection.readLine()) ?? '')
    },
  }`
    const service = await startService(t, {
      config: { workers: 2 },
      app,
      environment: { HELLOSERVER_NATIVE: wish },
    })
    const load = new Load(service.port, 8)
    for (let each = 0; each < asked; each += 1) assert.equal(await greeting(own), 'own')
    const { asked: echoed, failures } = await load.stop()
    assert.deepEqual(failures, [])
    await counted(service, { accepted: echoed, served: echoed })
  })
}
