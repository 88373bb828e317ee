import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { Releases } from '../helpers/releases.ts'
import { waitFor } from '../helpers/wait-for.ts'

const config = 'apps/helloserver/config.json'
const bridge = 'dist/src/bin/bridge.cjs'

/** Why a reload fails when there is nothing to start any more. */
const gone =
  /The program of this service, .*primary\.js, does not exist any more; run \\?"helloserver upgrade\\?" from/

/** The release that answers. */
async function served(pm2: Pm2): Promise<string> {
  const { listen } = await pm2.status()
  return (await ask(listen.port, '')).text
}

/** Waits until a release answers: until a signal has had its effect, or the next worker is there. */
async function serves(pm2: Pm2, release: number): Promise<void> {
  await waitFor(`release ${release}`, async () => {
    const answer = await served(pm2).catch(() => '')
    return answer === `release ${release}`
  })
}

test('deploys that switch a link', async (t) => {
  const pm2 = new Pm2(t, { allow: [gone] })
  const releases = new Releases(t)
  releases.deploy(1)
  const { current } = releases
  pm2.describe({ cwd: current, script: bridge, env: { HELLOSERVER_CONFIG: join(current, config) } })
  await pm2.start()
  assert.equal(await served(pm2), 'release 1')

  await t.test('pm2 reload brings the new release', async () => {
    releases.deploy(2)
    await pm2.do('reload', 'helloserver')
    assert.equal(await served(pm2), 'release 2')
  })

  await t.test('after an upgrade by hand, the next reload stays at the new release', async () => {
    releases.deploy(3)
    const cli = join(current, 'dist/src/bin/cli.js')
    const { status, stderr } = spawnSync(process.execPath, [cli, 'upgrade'], {
      env: pm2.commandEnvironment,
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
    assert.equal(await served(pm2), 'release 3')
    await pm2.do('reload', 'helloserver')
    assert.equal(await served(pm2), 'release 3')
  })

  await t.test('HUP brings the new release', async () => {
    releases.deploy(4)
    signalTo((await pm2.status()).pid, 'SIGHUP')
    await serves(pm2, 4)
  })

  await t.test('the old folders may be removed', async () => {
    releases.remove(1, 2, 3)
    const { pid } = await pm2.status()
    await pm2.do('reload', 'helloserver')
    assert.deepEqual([await served(pm2), (await pm2.status()).pid], ['release 4', pid])
  })

  await t.test(
    'a worker that dies is replaced from the new folder once the old one is gone',
    async () => {
      releases.deploy(5)
      releases.remove(4)
      const [worker] = (await pm2.status()).workers
      signalTo(worker?.pid ?? 0, 'SIGKILL')
      await serves(pm2, 5)
      await pm2.do('reload', 'helloserver')
      assert.equal(await served(pm2), 'release 5')
    },
  )

  await t.test(
    'a link to nothing leaves the service as it is, and the reason is one line',
    async () => {
      renameSync(releases.at(5), releases.at(6))
      const { stderr } = await pm2.sandbox.cli('reload')
      assert.match(stderr, gone)
      assert.equal(stderr.trim().split('\n').length, 1)
      assert.equal(await served(pm2), 'release 5')
      renameSync(releases.at(6), releases.at(5))
    },
  )
})

test('deploys that switch a link, which pm2 was not told of', async (t) => {
  const pm2 = new Pm2(t)
  const releases = new Releases(t)
  releases.deploy(1)
  const folder = releases.at(1)
  pm2.describe({ cwd: folder, script: bridge, env: { HELLOSERVER_CONFIG: join(folder, config) } })
  await pm2.start()
  releases.deploy(2)
  await pm2.do('reload', 'helloserver')
  assert.equal(await served(pm2), 'release 2')
  const { pid } = await pm2.status()
  await pm2.do('reload', 'helloserver')
  assert.deepEqual([await served(pm2), (await pm2.status()).pid], ['release 2', pid])
})

test('a service whose folder is gone', async (t) => {
  const pm2 = new Pm2(t, { allow: [/does not exist any more/] })
  const releases = new Releases(t)
  releases.deploy(1)
  const folder = releases.at(1)
  pm2.describe({ cwd: folder, script: bridge, env: { HELLOSERVER_CONFIG: join(folder, config) } })
  await pm2.start()
  releases.remove(1)
  const [worker] = (await pm2.status()).workers
  signalTo(worker?.pid ?? 0, 'SIGKILL')
  await waitFor('the end of the worker', () => !isAlive(worker?.pid ?? 0))
  const line = await pm2.sandbox.logged(/.*work\.js does not exist any more.*/)
  assert.match(line, /deploy the service again, then reload it/)
  releases.deploy(1)
  await serves(pm2, 1)
})
