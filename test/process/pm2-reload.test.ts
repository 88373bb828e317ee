import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { ask } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { counted, type Service } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

/** Releases that do not come up, in an order in which the one before need not be mended first. */
const spoilt = [
  {
    what: 'a broken configuration',
    spoil: ({ sandbox }: Pm2) => sandbox.configure({ workers: 0 }),
    reason: /workers is 0; it must be a number from 1 to 1024/,
  },
  {
    what: 'code that throws at load',
    spoil: ({ sandbox }: Pm2) => {
      sandbox.configure()
      sandbox.writeApp(`throw new Error('bad release')`)
    },
    reason: /failed to load: bad release/,
  },
  {
    what: 'a worker that never gets ready',
    spoil: ({ sandbox }: Pm2) => {
      sandbox.configure({ reload: { readyTimeoutMs: 1000 } })
      sandbox.writeApp(`export default { setup: () => new Promise(() => {}), handle() {} }`)
    },
    reason: /could not get ready: .*1000 ms/,
  },
]

test('pm2 reload', async (t) => {
  const pm2 = new Pm2(t, {
    config: { workers: 2 },
    allow: [...spoilt.map(({ reason }) => reason), /not ready within 1000 ms/],
  })
  const service = await pm2.start()
  await dropsNobody(t, pm2, service)
  await leavesTheOldGeneration(t, pm2, service)
  await appliesTheEnvironment(t, pm2, service)

  await t.test('a bridge that is interrupted lets the primary go on', async () => {
    const { generation } = await pm2.status()
    const { pid: bridge } = await pm2.bridge()
    const load = pm2.load(service.port, 2)
    signalTo(bridge, 'SIGINT')
    await waitFor('the end of the bridge', () => !isAlive(bridge))
    const status = await waitFor('another bridge', async () => {
      const { supervisor, ...rest } = await pm2.status()
      return supervisor.attached && supervisor.pid !== bridge ? rest : undefined
    })
    assert.deepEqual([status.pid, status.generation], [service.pid, generation])
    assert.deepEqual((await load.stop()).failures, [])
    await pm2.isListed('online')
  })
})

async function dropsNobody(t: TestContext, pm2: Pm2, { port, pid }: Service): Promise<void> {
  const load = pm2.load(port, 2)

  await t.test('brings a new generation and a new bridge', async () => {
    const old = await pm2.bridge()
    const before = load.asked
    await pm2.do('reload', 'helloserver')
    const { supervisor, lastReload, ...status } = await pm2.status()
    const bridge = await pm2.bridge()
    assert.deepEqual([status.pid, status.generation], [pid, 2])
    assert.equal(lastReload?.outcome, 'done')
    await waitFor('the end of the old workers', async () =>
      (await pm2.status()).workers.every(({ generation }) => generation === 2),
    )
    assert.deepEqual(supervisor, { attached: true, pid: bridge.pid })
    assert.equal(bridge.pm2_env.status, 'online')
    assert.ok(!isAlive(old.pid), 'the old bridge is still there')
    assert.ok(load.asked > before, 'nobody was served meanwhile')
    assert.equal(pm2.log().match(/Reloading \(pm2 reload\)/g)?.length, 1)
  })

  await t.test('twice at once is as good as once', async () => {
    const results = await Promise.all([1, 2].map(() => pm2.run('reload', 'helloserver')))
    assert.ok(results.some(({ status }) => status === 0))
    const bridge = await pm2.isListed('online')
    const status = await pm2.status()
    assert.equal(status.pid, pid)
    assert.ok([3, 4].includes(status.generation), `generation ${status.generation}`)
    assert.deepEqual(status.supervisor, { attached: true, pid: bridge.pid })
  })

  await t.test('drops nobody meanwhile', async () => {
    const { asked, failures } = await load.stop()
    assert.deepEqual(failures, [], `of ${asked}`)
    await counted(await pm2.service(), { served: asked })
  })
}

async function leavesTheOldGeneration(
  t: TestContext,
  pm2: Pm2,
  { port, pid }: Service,
): Promise<void> {
  const { generation } = await pm2.status()
  for (const { what, spoil, reason } of spoilt) {
    await t.test(`${what} leaves the old generation in service, and pm2 says why`, async () => {
      spoil(pm2)
      await pm2.do('reload', 'helloserver')
      const bridge = await pm2.isListed('online')
      const status = await pm2.status()
      assert.deepEqual([status.pid, status.generation], [pid, generation])
      assert.equal(status.lastReload?.outcome, 'failed')
      assert.match(status.lastReload?.reason ?? '', reason)
      assert.deepEqual(status.supervisor, { attached: true, pid: bridge.pid })
      assert.deepEqual(await ask(port, 'a\r\n'), echoed)
      await pm2.logged(
        new RegExp(`"role":"bridge".*${reason.source}.*the old generation keeps serving`),
      )
      await waitFor('the reason in what pm2 describe shows', async () => {
        const { human_info: rows = [] } = (await pm2.bridge()).pm2_env.axm_options
        const [, row = ''] = rows.find(([name]) => name === 'Last reload') ?? []
        return /failed at/.test(row) && reason.test(row)
      })
    })
  }

  await t.test('pm2 describe shows the reason', async () => {
    const { stdout } = await pm2.run('describe', 'helloserver')
    const row = stripVTControlCharacters(stdout).match(/Last reload .*failed at .*/)?.[0]
    assert.match(row ?? stdout, spoilt.at(-1)?.reason ?? /never/)
  })

  await t.test('code that is mended serves when the command returns', async () => {
    pm2.sandbox.configure()
    pm2.sandbox.writeApp(`export default { handle: (connection) => connection.write('new\\r\\n') }`)
    await pm2.do('reload', 'helloserver')
    assert.deepEqual(await ask(port, ''), { how: 'end', text: 'new\r\n' })
    const status = await pm2.status()
    assert.deepEqual([status.pid, status.lastReload?.outcome], [pid, 'done'])
    pm2.sandbox.writeApp()
  })
}

async function appliesTheEnvironment(t: TestContext, pm2: Pm2, { pid }: Service): Promise<void> {
  const applies = async (workers: number, ...options: string[]) => {
    const before = await pm2.status()
    await pm2.do('reload', ...options)
    const status = await pm2.status()
    assert.deepEqual([status.pid, status.generation], [pid, before.generation + 1])
    const now = status.workers.filter(({ generation }) => generation === status.generation)
    assert.equal(now.length, workers)
  }

  await t.test('a changed variable of the shell is applied with --update-env', async () => {
    pm2.environment = { HELLOSERVER_WORKERS: '2' }
    await applies(2, pm2.ecosystemFile, '--update-env')
    pm2.environment = { HELLOSERVER_WORKERS: '3' }
    await applies(3, 'helloserver', '--update-env')
  })

  await t.test('a changed variable of the ecosystem file is applied', async () => {
    pm2.environment = {}
    pm2.describe({ env: { HELLOSERVER_WORKERS: '1' } })
    await applies(1, pm2.ecosystemFile)
  })
}
