import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { ControlClient } from '../../src/control/control-client.ts'
import { ask, Client } from '../helpers/client.ts'
import { stop, tryReload, tryUpgrade } from '../helpers/commands.ts'
import { Load } from '../helpers/load.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import { counted, runService, type Service, startIn, startService } from '../helpers/service.ts'
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

/** Whether a process has no child but one. */
function isBarren(pid: number, child: number): boolean {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children.trim() === String(child)
}

const answers = async ({ port }: { readonly port: number }) =>
  assert.equal((await ask(port, 'a\r\n')).text, 'a\r\n')

describe('a hot upgrade', { concurrency: 2 }, () => {
  test('of a service that goes on', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    await t.test('under load loses nothing, and the counters go on', () => underLoad(service))

    await t.test(
      'passes the PID lock on: nobody else can start, before, between and after',
      async () => {
        const { sandbox } = service
        const before = pidIn(sandbox)
        const starts: Promise<unknown>[] = []
        const refused = (message: string | RegExp) =>
          assert.rejects(sandbox.start(), { code: 'ALREADY_RUNNING', message })
        const upgraded = upgrade(service)
        for (let count = 0; count < 3; count += 1) {
          starts.push(refused(/^Already running as process \d+$/))
        }
        const { pid } = await upgraded
        await Promise.all(starts)
        await waitFor('the end of the predecessor', () => !isAlive(before))
        await refused(`Already running as process ${pid}`)
      },
    )

    await t.test('requests during the upgrade are performed by the successor', async () => {
      const { sandbox } = service
      sandbox.writeApp(hesitant)
      sandbox.mark()
      const before = sandbox.processes()
      const old = pidIn(sandbox)
      const upgraded = tryUpgrade(service)
      await successorOf(service, before)
      sandbox.configure({ queue: { max: 7 } })
      signalTo(old, 'SIGHUP')
      const reloaded = tryReload(service)
      await sandbox.logged(/Caught SIGHUP/)
      sandbox.unmark()
      assert.equal((await upgraded).outcome, 'done')
      assert.equal((await reloaded).outcome, 'done')
      await waitFor('the new configuration', async () => (await service.status()).queue.max === 7)
    })

    await t.test('binds another address that the configuration has', async () => {
      const { pid } = await service.status()
      service.sandbox.configure({ host: '127.0.0.2' })
      const { listen } = await upgrade(service)
      assert.equal(listen.host, '127.0.0.2')
      await waitFor('the end of the predecessor', () => !isAlive(pid))
      assert.equal((await new Client(service.port).ending()).how, 'refused')
    })

    await t.test('leaves nothing when it is stopped afterwards', async () => {
      await stop(service)
      await service.sandbox.assertNothingLeft()
    })
  })

  async function underLoad(service: Service): Promise<void> {
    const load = new Load(service.port, 12)
    let { pid } = service
    for (const generation of [2, 3, 4]) {
      const askedBefore = load.asked
      // USR2 is one, too.
      if (generation === 4) signalTo(pid, 'SIGUSR2')
      else await upgrade(service)
      const previous = pid
      await waitFor('the end of the predecessor', () => !isAlive(previous))
      const status = await service.status()
      assert.notEqual(status.pid, previous)
      assert.equal(status.generation, generation)
      assert.equal(pidIn(service.sandbox), status.pid)
      assert.equal(status.lastReload?.outcome, 'done')
      await waitFor('some load', () => load.asked > askedBefore + 30)
      pid = status.pid
    }
    const { asked, failures } = await load.stop()
    assert.deepEqual(failures, [])
    await counted(service, { accepted: asked, served: asked, failed: 0, active: 0, queued: 0 })
  }

  test('of a service with clients in hand', async (t) => {
    const service = await startService(t, { app: recorder })
    await withClientsInHand(t, service)
    await t.test(
      'a successor that dies while it takes over who waits leaves nobody hanging',
      async () => {
        await diesTakingOver(await startIn(service.sandbox))
      },
    )
    await t.test('a stop waits for the predecessor too', async () => {
      const next = await startIn(service.sandbox)
      await answers(next)
      const holder = await held(next)
      await upgrade(next)
      const stopped = next.cli('stop')
      await waitFor('the drain', async () => (await next.status()).state === 'draining')
      await holder.send('a\r\n')
      assert.equal((await holder.ending()).text, 'a\r\n')
      assert.equal((await stopped).status, 0)
      await next.sandbox.assertNothingLeft()
    })
    await t.test('TERM ends every predecessor too', async () => {
      const next = await startIn(service.sandbox)
      const holder = await held(next)
      await upgrade(next)
      const { pid } = await upgrade(next)
      signalTo(pid, 'SIGTERM')
      assert.equal((await holder.ending()).text, '')
      await next.sandbox.assertNothingLeft()
    })
  })

  /** One upgrade after the other, until the service is told to stop. */
  async function withClientsInHand(t: TestContext, service: Service): Promise<void> {
    await t.test(
      'the predecessor finishes what it has in hand; those who wait keep their places and their numbers',
      async () => {
        const holder = await held(service)
        const waiting: Client[] = []
        for (const line of ['b', 'c', 'd']) {
          const client = await Client.connect(service.port)
          await client.send(`${line}\r\n`)
          waiting.push(client)
          await counted(service, { queued: waiting.length })
        }
        await upgrade(service)
        for (const [at, client] of waiting.entries()) {
          assert.deepEqual(await client.ending(), { how: 'end', text: `${'bcd'[at]}\r\n` })
        }
        assert.equal(service.sandbox.record, '2 b\n3 c\n4 d\n')
        await counted(service, { accepted: 4, served: 3, active: 1, queued: 0 })
        assert.ok(isAlive(service.pid))
        await holder.send('a\r\n')
        assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
        await waitFor('the end of the predecessor', () => !isAlive(service.pid))
        await counted(service, { accepted: 4, served: 4, active: 0 })
      },
    )

    await t.test(
      'two in a row forget nobody whom the first primary still has in hand',
      async () => {
        const first = await service.status()
        const holder = await held(service)
        const second = await upgrade(service)
        const third = await upgrade(service)
        await counted(service, { accepted: 5, active: 1 })
        assert.ok(isAlive(first.pid) && isAlive(second.pid))
        await holder.send('a\r\n')
        assert.equal((await holder.ending()).text, 'a\r\n')
        await waitFor('the end of both', () => !isAlive(first.pid) && !isAlive(second.pid))
        assert.equal((await counted(service, { served: 5, failed: 0, active: 0 })).pid, third.pid)
      },
    )

    await t.test('a predecessor that is killed takes only what it had in hand', async () => {
      const { pid } = await service.status()
      const holder = await held(service)
      await upgrade(service)
      signalTo(pid, 'SIGKILL')
      // Its worker finishes first, without a primary.
      await holder.send('a\r\n')
      assert.equal((await holder.ending()).text, 'a\r\n')
      await counted(service, { accepted: 6, failed: 1, active: 0 })
      await answers(service)
    })

    await t.test(
      'a request that the predecessor cannot perform any more is answered with the reason',
      () => isToldWhoServes(service),
    )
  }

  async function isToldWhoServes(service: Service): Promise<void> {
    const before = await service.status()
    const holder = await held(service)
    const client = await ControlClient.connect(service.sandbox.socketFile)
    try {
      await client.request('status', {})
      const { pid } = await upgrade(service)
      const told = { code: 'HANDED_OVER', message: `Process ${pid} is the service now` }
      await assert.rejects(client.request('stop', {}), told)
      await assert.rejects(client.request('reload', {}), told)
      await assert.rejects(client.request('scale', { workers: 2 }), told)
    } finally {
      client.close()
    }
    signalTo(before.pid, 'SIGUSR1')
    await waitFor('the drain over there', async () => (await service.status()).drain !== null)
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await service.sandbox.assertNothingLeft()
  }

  async function diesTakingOver(service: Service): Promise<void> {
    const holder = await held(service)
    const waiting = Array.from({ length: 300 }, () => new Client(service.port))
    for (const client of waiting) await client.send('a\r\n')
    await counted(service, { queued: 300 })
    const takeovers = () => service.log().match(/has taken over/g)?.length ?? 0
    const before = takeovers()
    const upgraded = tryUpgrade(service).catch(() => {})
    await waitFor('the takeover', () => takeovers() > before)
    signalTo(pidIn(service.sandbox), 'SIGKILL')
    await Promise.all(waiting.map((client) => client.ending()))
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    await upgraded
  }

  test('two in a row forget nobody whom the first primary passes on late', async (t) => {
    const service = await startService(t, { app: recorder })
    const { sandbox } = service
    const program = new ProgramCopy(t)
    const isDue = join(sandbox.runDir, 'due')
    const passing = 'const closed = pool.close();'
    const late = `while (!(await import('node:fs')).existsSync(${JSON.stringify(isDue)})) await delay(10);`
    program.edit('upgrade/upgrade.js', passing, `${late} ${passing}`)
    assert.equal((await tryUpgrade(sandbox, program.primary)).outcome, 'done')
    const first = await service.status()
    const holder = await held(service)
    const waiting = await Client.connect(service.port)
    await waiting.send('b\r\n')
    await counted(service, { queued: 1 })
    const second = await upgrade(service)
    const third = await upgrade(service)
    // The second has passed on all that it had, and has nothing to do but to report.
    await waitFor('the end of its workers', () => isBarren(second.pid, third.pid))
    assert.equal(waiting.text, '')
    writeFileSync(isDue, '')
    assert.deepEqual(await waiting.ending(), { how: 'end', text: 'b\r\n' })
    assert.ok(isAlive(first.pid) && isAlive(second.pid))
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await waitFor('the end of both', () => !isAlive(first.pid) && !isAlive(second.pid))
    await counted(service, { accepted: 2, served: 2, failed: 0, queued: 0, active: 0 })
  })

  test('a service in the foreground says that it cannot', async (t) => {
    const service = await runService(t)
    const { status, stderr } = await service.cli('upgrade')
    assert.equal(status, 1)
    assert.match(stderr, /in the foreground cannot be upgraded.*; end it and run it again/)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  })
})
