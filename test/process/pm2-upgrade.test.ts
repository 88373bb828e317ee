import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { ask } from '../helpers/client.ts'
import { tryUpgrade } from '../helpers/commands.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import { held } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

/** pm2 with a service that runs a copy of the program, which a test may change. */
async function installed(t: TestContext, options: ConstructorParameters<typeof Pm2>[1] = {}) {
  const pm2 = new Pm2(t, options)
  const program = new ProgramCopy(t)
  pm2.describe({ script: program.bridge })
  return { pm2, program, service: await pm2.start() }
}

/** Makes it another build, which does the same. */
const rebuild = (program: ProgramCopy) =>
  program.edit('primary/primary.js', '\n', '\n// Another build.\n')

describe('another build of helloserver under pm2', { concurrency: 2 }, () => {
  test('pm2 reload replaces the primary, and drops nobody', async (t) => {
    const { pm2, program, service } = await installed(t, { config: { workers: 2 } })
    const load = pm2.load(service.port, 4)
    rebuild(program)
    await pm2.do('reload', 'helloserver')
    const bridge = await pm2.bridge()
    const status = await waitFor('the new bridge at the successor', async () => {
      const now = await pm2.status()
      return now.supervisor.pid === bridge.pid ? now : undefined
    })
    assert.notEqual(status.pid, service.pid)
    assert.equal(status.generation, 2)
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    const before = load.asked
    await waitFor('some load', () => load.asked > before + 20)
    const { asked, failures } = await load.stop()
    assert.deepEqual(failures, [], `of ${asked}`)
    const { connections } = await pm2.status()
    assert.deepEqual([connections.accepted, connections.served], [asked, asked])
    await pm2.logged(new RegExp(`"kind":"upgraded".*process ${status.pid} serves`))
    assert.equal(pm2.log().match(/has taken over/g)?.length, 1)
    await pm2.do('stop', 'helloserver')
    await waitFor('the end of the successor', () => !isAlive(status.pid))
  })

  test('the next reload with the same build replaces the workers only', async (t) => {
    const { pm2, program } = await installed(t)
    rebuild(program)
    await pm2.do('reload', 'helloserver')
    const { pid, generation } = await pm2.status()
    await pm2.do('reload', 'helloserver')
    const status = await pm2.status()
    assert.deepEqual([status.pid, status.generation], [pid, generation + 1])
  })

  test('a primary of a release that speaks otherwise is upgraded by signal', async (t) => {
    const { pm2, program, service } = await installed(t)
    const load = pm2.load(service.port, 4)
    program.edit('control/protocol.js', 'controlProtocol = 1', 'controlProtocol = 2')
    await pm2.do('reload', 'helloserver')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    await pm2.logged(/The primary is of another release; upgrading it/)
    // This test speaks the old release's protocol itself, and so do its helpers.
    program.edit('control/protocol.js', 'controlProtocol = 2', 'controlProtocol = 1')
    await pm2.do('reload', 'helloserver')
    const bridge = await pm2.isListed('online')
    await waitFor('the bridge at the primary', async () => {
      const { supervisor } = await pm2.status()
      return supervisor.pid === bridge.pid
    })
    assert.deepEqual((await load.stop()).failures, [])
  })

  test('a bridge that cannot follow the service does not keep pm2 waiting', async (t) => {
    const { pm2, program, service } = await installed(t)
    const client = await held(service)
    program.edit('control/protocol.js', 'controlProtocol = 1', 'controlProtocol = 2')
    assert.equal((await tryUpgrade(pm2.sandbox, program.primary)).outcome, 'done')
    await pm2.logged(/Cannot follow the service/)
    await pm2.do('stop', 'helloserver')
    await pm2.logged(/Leaving the service alone/)
    await client.send('a\r\n')
    assert.equal((await client.ending()).how, 'end')
  })

  test('one that does not start leaves the old primary in service, and the log says why', async (t) => {
    const reason = /The successor ended before it served/
    const allow = [reason, /broken release/, /^(file:|\s|throw |Node\.js )/]
    const { pm2, program, service } = await installed(t, { allow })
    program.break('primary/primary.js', 'broken release')
    await pm2.do('reload', 'helloserver')
    const bridge = await pm2.isListed('online')
    const status = await pm2.status()
    assert.equal(status.pid, service.pid)
    assert.match(status.lastReload?.reason ?? '', reason)
    assert.deepEqual(status.supervisor, { attached: true, pid: bridge.pid })
    assert.deepEqual(await ask(service.port, 'a\r\n'), echoed)
    assert.match(
      await pm2.logged(/.*"role":"bridge".*the old generation goes on serving.*/),
      reason,
    )
  })

  test('pm2 start after the death of pm2 replaces a primary of another build', async (t) => {
    const { pm2, program, service } = await installed(t)
    await pm2.killDaemon()
    rebuild(program)
    const again = await pm2.start()
    assert.notEqual(again.pid, service.pid)
    assert.equal(again.port, service.port)
    assert.equal((await pm2.status()).lastReload?.outcome, 'done')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    assert.deepEqual(await ask(again.port, 'a\r\n'), echoed)
  })
})
