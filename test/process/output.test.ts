import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { counted, startService } from '../helpers/service.ts'
import { within } from '../helpers/wait-for.ts'

/** Prints as many lines as it is told to, then answers. */
const talker = `export default {
  async handle(connection) {
    const line = String(await connection.readLine())
    for (let left = Number.parseInt(line, 10); left > 0; left -= 1) console.log('line ' + left)
    await connection.write(line)
  },
}`

const floodLines = 1_000_000

test('a handler that prints without end holds up nobody else, and the log says what it lost', async (t) => {
  const service = await startService(t, { config: { workers: 2 }, app: talker })
  await ask(service.port, '0\r\n')
  const flood = await Client.connect(service.port)
  await flood.send(`${floodLines}\r\n`)
  await service.sandbox.logged(/"msg":"line \d+"/)
  let others = 0
  for (; flood.how === undefined; others += 1) {
    assert.equal((await ask(service.port, '1\r\n')).text, '1\r\n')
  }
  assert.equal((await within('the end of the flood', flood.ending())).text, `${floodLines}\r\n`)
  // The whole flood is read while others are served: a primary that reads it in one go serves none meanwhile.
  assert.ok(others >= 10, `only ${others} others were served`)
  const line = await service.sandbox.logged(/^.*Dropped \d+ lines that worker \d printed.*$/m)
  const { level, dropped } = JSON.parse(line) as { level: string; dropped: number }
  assert.deepEqual([level, dropped > floodLines / 10], ['warn', true])
  await counted(service, { accepted: others + 2, served: others + 2 })
})
