import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ControlClient } from '../../src/control/client.ts'
import { ask, Client } from '../helpers/client.ts'
import { stop } from '../helpers/commands.ts'
import { Load } from '../helpers/load.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import type { CommandResult } from '../helpers/sandbox.ts'
import { counted, runService, startIn, startService } from '../helpers/service.ts'
import { held, hesitant, pidIn, successorOf, upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Writes down who was served, in the order of service. */
const recorder = `import { appendFileSync } from 'node:fs'
export default {
  async handle(connection) {
    const line = await connection.readLine()
    appendFileSync(recordFile, connection.id + ' ' + line.toString().trim() + '\\n')
    await connection.write(line)
  },
}`

describe('a hot upgrade', { concurrency: 2 }, () => {
  test('under load loses nothing, and the counters go on', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    const load = new Load(service.port, 12)
    let pid = service.pid
    for (const generation of [2, 3, 4]) {
      const askedBefore = load.asked
      const status = await upgrade(service)
      assert.notEqual(status.pid, pid)
      assert.equal(status.generation, generation)
      assert.equal(pidIn(service.sandbox), status.pid)
      assert.equal(status.lastReload?.outcome, 'done')
      const previous = pid
      await waitFor('the end of the predecessor', () => !isAlive(previous))
      await waitFor('some load', () => load.asked > askedBefore + 30)
      pid = status.pid
    }
    const { asked, failures } = await load.stop()
    assert.deepEqual(failures, [])
    await counted(service, { accepted: asked, served: asked, failed: 0, active: 0, queued: 0 })
  })

  test('USR2 is one, too, and one that is stopped afterwards leaves nothing', async (t) => {
    const service = await startService(t)
    service.signal('SIGUSR2')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    await stop(service)
    await service.sandbox.assertNothingLeft()
  })

  test('passes the PID lock on: nobody else can start, before, between and after', async (t) => {
    const service = await startService(t)
    const starts: Promise<CommandResult>[] = []
    const upgraded = upgrade(service)
    for (let count = 0; count < 5; count += 1) starts.push(service.cli('start'))
    const { pid } = await upgraded
    for (const { status, stderr } of await Promise.all(starts)) {
      assert.equal(status, 4)
      assert.match(stderr, /Already running as process \d+$/m)
    }
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    assert.match((await service.cli('start')).stderr, new RegExp(`process ${pid}\n`))
  })

  test('the predecessor finishes what it has in hand, and who waits goes to the successor', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    const waiting = await Client.connect(service.port)
    await waiting.send('b\r\n')
    await counted(service, { queued: 1 })
    await upgrade(service)
    assert.deepEqual(await waiting.ending(), { how: 'end', text: 'b\r\n' })
    await counted(service, { accepted: 2, served: 1, active: 1, queued: 0 })
    assert.ok(isAlive(service.pid))
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    await counted(service, { accepted: 2, served: 2, active: 0 })
  })

  test('those who wait keep their places and their numbers', async (t) => {
    const service = await startService(t, { app: recorder })
    await held(service)
    const waiting: Client[] = []
    for (const line of ['b', 'c', 'd']) {
      const client = await Client.connect(service.port)
      await client.send(`${line}\r\n`)
      waiting.push(client)
      await counted(service, { queued: waiting.length })
    }
    await upgrade(service)
    await Promise.all(waiting.map((client) => client.ending()))
    assert.equal(service.sandbox.record, '2 b\n3 c\n4 d\n')
  })

  test('a predecessor that is killed takes only what it had in hand', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    await upgrade(service)
    signalTo(service.pid, 'SIGKILL')
    // Its worker finishes first, without a primary.
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await counted(service, { accepted: 1, failed: 1, active: 0 })
    assert.equal((await ask(service.port, 'b\r\n')).text, 'b\r\n')
  })

  test('two upgrades in a row forget nobody whom the first primary still has in hand', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    const second = await upgrade(service)
    const third = await upgrade(service)
    await counted(service, { accepted: 1, active: 1 })
    assert.ok(isAlive(service.pid) && isAlive(second.pid))
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await waitFor('the end of both', () => !isAlive(service.pid) && !isAlive(second.pid))
    assert.equal((await counted(service, { served: 1, failed: 0, active: 0 })).pid, third.pid)
  })

  test('a stop waits for the predecessor too', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    await upgrade(service)
    const stopped = service.cli('stop')
    await waitFor('the drain', async () => (await service.status()).state === 'draining')
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    assert.equal((await stopped).status, 0)
    await service.sandbox.assertNothingLeft()
  })

  test('TERM ends every predecessor too', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    await upgrade(service)
    const { pid } = await upgrade(service)
    signalTo(pid, 'SIGTERM')
    assert.equal((await holder.ending()).text, '')
    await service.sandbox.assertNothingLeft()
  })

  test("what is asked for meanwhile is the successor's to do", async (t) => {
    const service = await startService(t, { app: hesitant })
    const before = service.sandbox.processes()
    service.sandbox.mark()
    const upgraded = service.cli('upgrade')
    await successorOf(service, before)
    service.sandbox.configure({ queue: { max: 7 } })
    service.signal('SIGHUP')
    const reloaded = service.cli('reload')
    await service.sandbox.logged(/Caught SIGHUP/)
    service.sandbox.unmark()
    assert.equal((await upgraded).status, 0)
    assert.equal((await reloaded).status, 0)
    await waitFor('the new configuration', async () => (await service.status()).queue.max === 7)
  })

  test('who asks the predecessor for what is not its to do is told', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    const client = await ControlClient.connect(service.sandbox.socketFile)
    t.after(() => client.close())
    await client.request('status', {})
    const { pid } = await upgrade(service)
    const told = { code: 'HANDED_OVER', message: `Process ${pid} is the service now` }
    await assert.rejects(client.request('stop', {}), told)
    await assert.rejects(client.request('reload', {}), told)
    await assert.rejects(client.request('scale', { workers: 2 }), told)
    service.signal('SIGUSR1')
    await waitFor('the drain over there', async () => (await service.status()).drain !== null)
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await service.sandbox.assertNothingLeft()
  })

  test('a successor that dies while it takes over who waits leaves nobody hanging', async (t) => {
    const service = await startService(t, { config: { workers: 1 } })
    const holder = await held(service)
    const waiting = Array.from({ length: 300 }, () => new Client(service.port))
    for (const client of waiting) await client.send('a\r\n')
    await counted(service, { queued: 300 })
    const upgraded = service.cli('upgrade')
    await service.sandbox.logged(/has taken over/)
    signalTo(pidIn(service.sandbox), 'SIGKILL')
    await Promise.all(waiting.map((client) => client.ending()))
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    await upgraded
    const next = await startIn(service.sandbox)
    assert.equal((await ask(next.port, 'b\r\n')).text, 'b\r\n')
  })

  test('another address in the configuration is bound by the successor', async (t) => {
    const service = await startService(t)
    service.sandbox.configure({ host: '127.0.0.2' })
    const { listen } = await upgrade(service)
    assert.equal(listen.host, '127.0.0.2')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    assert.equal((await new Client(service.port).ending()).how, 'refused')
  })

  test('a service in the foreground says that it cannot', async (t) => {
    const service = await runService(t)
    const { status, stderr } = await service.cli('upgrade')
    assert.equal(status, 1)
    assert.match(stderr, /in the foreground cannot be upgraded; reload it, or end it/)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  })
})
