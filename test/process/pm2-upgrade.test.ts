import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { tryUpgrade } from '../helpers/commands.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import { counted } from '../helpers/service.ts'
import { held } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }
const reason = /The successor ended before it served/

/** pm2, and the copy of the program that its service runs, which a test may change. */
interface Installed {
  readonly pm2: Pm2
  readonly program: ProgramCopy
}

/** Makes it another build, which does the same. */
const rebuild = (program: ProgramCopy) =>
  program.edit('service/service.js', '\n', '\n// Another build.\n')

test('another build of helloserver under pm2', async (t) => {
  const pm2 = new Pm2(t, {
    config: { workers: 2 },
    allow: [reason, /broken release/, /^(file:|\s|throw |Node\.js )/],
  })
  const program = new ProgramCopy(t)
  pm2.describe({ script: program.bridge })
  await pm2.start()
  const installed = { pm2, program }

  await t.test(
    'one that does not start leaves the old primary in service, and the log says why',
    () => leavesTheOldOne(installed),
  )
  await underLoad(t, installed)
  await t.test('pm2 start after the death of pm2 replaces a primary of another build', () =>
    isReplacedByStart(installed),
  )
  await t.test('a bridge that cannot follow the service does not keep pm2 waiting', () =>
    leavesItAlone(installed),
  )
})

async function leavesTheOldOne({ pm2, program }: Installed): Promise<void> {
  const service = await pm2.service()
  program.break('service/service.js', 'broken release')
  await pm2.do('reload', 'helloserver')
  const bridge = await pm2.isListed('online')
  const status = await pm2.status()
  assert.equal(status.pid, service.pid)
  assert.match(status.lastReload?.reason ?? '', reason)
  assert.deepEqual(status.supervisor, { attached: true, pid: bridge.pid })
  assert.deepEqual(await ask(service.port, 'a\r\n'), echoed)
  assert.match(await pm2.logged(/.*"role":"bridge".*the old generation keeps serving.*/), reason)
  program.mend()
}

/** What replaces the primary and the workers drops nobody. */
async function underLoad(t: TestContext, { pm2, program }: Installed): Promise<void> {
  const service = await pm2.service()
  const { served } = (await pm2.status()).connections
  const load = pm2.load(service.port, 2)
  const atTheService = async () => {
    const bridge = await pm2.isListed('online')
    return waitFor('the new bridge at the primary', async () => {
      const now = await pm2.status()
      return now.supervisor.pid === bridge.pid ? now : undefined
    })
  }

  await t.test('pm2 reload replaces the primary', async () => {
    const { generation } = await pm2.status()
    rebuild(program)
    await pm2.do('reload', 'helloserver')
    const status = await atTheService()
    assert.notEqual(status.pid, service.pid)
    assert.equal(status.generation, generation + 1)
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    await pm2.logged(new RegExp(`"kind":"upgraded".*process ${status.pid} serves`))
    assert.equal(pm2.log().match(/has taken over/g)?.length, 1)
  })

  await t.test('the next reload with the same build replaces the workers only', async () => {
    const { pid, generation } = await pm2.status()
    await pm2.do('reload', 'helloserver')
    const status = await pm2.status()
    assert.deepEqual([status.pid, status.generation], [pid, generation + 1])
  })

  await t.test('a primary of a release that speaks otherwise is upgraded by signal', async () => {
    const { pid } = await pm2.status()
    program.edit('control/protocol.js', 'controlProtocol = 1', 'controlProtocol = 2')
    await pm2.do('reload', 'helloserver')
    await waitFor('the end of the predecessor', () => !isAlive(pid))
    await pm2.logged(/The primary is of another release; upgrading it/)
    // This test speaks the old release's protocol itself, and so do its helpers.
    program.edit('control/protocol.js', 'controlProtocol = 2', 'controlProtocol = 1')
    await pm2.do('reload', 'helloserver')
    await atTheService()
  })

  await t.test('nobody was dropped meanwhile', async () => {
    const before = load.asked
    await waitFor('some load', () => load.asked > before + 20)
    const { asked, failures } = await load.stop()
    assert.deepEqual(failures, [], `of ${asked}`)
    const all = served + asked
    await counted(await pm2.service(), { accepted: all, served: all })
  })
}

async function isReplacedByStart({ pm2, program }: Installed): Promise<void> {
  const service = await pm2.service()
  await pm2.killDaemon()
  rebuild(program)
  const again = await pm2.start()
  assert.notEqual(again.pid, service.pid)
  assert.equal(again.port, service.port)
  assert.equal((await pm2.status()).lastReload?.outcome, 'done')
  await waitFor('the end of the predecessor', () => !isAlive(service.pid))
  assert.deepEqual(await ask(again.port, 'a\r\n'), echoed)
}

/** The last: pm2 has nothing to say about the service any more. */
async function leavesItAlone({ pm2, program }: Installed): Promise<void> {
  const client = await held(await pm2.service())
  program.edit('control/protocol.js', 'controlProtocol = 1', 'controlProtocol = 2')
  assert.equal((await tryUpgrade(pm2.sandbox, program.primary)).outcome, 'done')
  await pm2.logged(/Cannot follow the service/)
  await pm2.do('stop', 'helloserver')
  await pm2.logged(/Leaving the service running/)
  await client.send('a\r\n')
  assert.equal((await client.ending()).how, 'end')
}
