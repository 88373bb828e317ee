import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import { counted, startService } from '../helpers/service.ts'
import { statusIn } from '../helpers/service-in.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** Prints as many lines as it is told to, then answers. */
const talker = `export default {
  async handle(connection) {
    const line = String(await connection.readLine())
    for (let left = Number.parseInt(line, 10); left > 0; left -= 1) console.log('line ' + left)
    await connection.write(line)
  },
}`

const floodLines = 1_000_000

test('a reader of the log that hangs holds up no service in the foreground', async (t) => {
  const sandbox = new Sandbox(t, { app: talker, config: { workers: 1, log: { access: true } } })
  const child = sandbox.spawn(['run'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGTERM'))
  child.stdout?.pause()
  const { listen } = await waitFor('a service that serves', async () => {
    const status = await statusIn(sandbox).catch(() => undefined)
    return status?.state === 'serving' ? status : undefined
  })
  // More than any pipe or socket takes.
  await ask(listen.port, '5000\r\n')
  for (let client = 0; client < 5; client += 1) {
    assert.equal((await ask(listen.port, '100\r\n')).text, '100\r\n')
  }
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGUSR1')
  assert.equal(await within('the end of the service', ended), 0)
  child.stdout?.destroy()
})

test('a handler that prints without end holds up nobody else, and the log says what it lost', async (t) => {
  // The app blocks its own event loop while it prints, which is no matter here.
  const watchdog = { hungAfterMs: 60_000 }
  const service = await startService(t, { config: { workers: 2, watchdog }, app: talker })
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
