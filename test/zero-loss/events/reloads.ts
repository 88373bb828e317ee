import assert from 'node:assert/strict'
import { isAlive, signalTo } from '../../helpers/processes.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import type { Event } from '../event.ts'
import type { World } from '../world.ts'

const stormSignals = 100

async function reload({ pm2 }: World): Promise<void> {
  const { generation } = await pm2.status()
  await pm2.do('reload', 'helloserver')
  const after = await pm2.status()
  assert.equal(after.lastReload?.outcome, 'done', after.lastReload?.reason ?? 'no reload')
  assert.ok(after.generation > generation, 'the generation is still the old one')
}

async function hangUp(world: World): Promise<void> {
  const { pid } = await world.status()
  const before = reloadsIn(world)
  signalTo(pid, 'SIGHUP')
  await waitFor('a reload', () => reloadsIn(world) > before)
}

/** The first signal reloads; all that come while it does make one more reload. */
async function storm(world: World): Promise<void> {
  const { pid } = await world.status()
  const before = reloadsIn(world)
  for (let sent = 0; sent < stormSignals; sent += 1) signalTo(pid, 'SIGHUP')
  await waitFor('a reload', () => reloadsIn(world) > before)
  // Behind what the signals have asked for: otherwise, their second reload might come in the next event.
  const { status, stderr } = await world.pm2.sandbox.cli('reload')
  assert.equal(status, 0, stderr)
  await world.settled()
  const count = reloadsIn(world) - before
  assert.ok(count <= 3, `${stormSignals} signals and a command made ${count} reloads`)
}

/** Reloads so far. Generations do not count them: those that failed have a number too. */
function reloadsIn({ pm2 }: World): number {
  return pm2.sandbox.log().split('"kind":"reload-done"').length
}

async function upgrade(world: World): Promise<void> {
  const before = await world.status()
  const { status, stderr } = await world.pm2.sandbox.cli('upgrade')
  assert.equal(status, 0, stderr)
  const after = await waitFor('the bridge at the successor', async () => {
    const now = await world.status()
    return now.supervisor.attached ? now : undefined
  })
  assert.notEqual(after.pid, before.pid)
  await waitFor('the end of the predecessor', () => !isAlive(before.pid))
}

async function upgradeBySignal(world: World): Promise<void> {
  const { pid } = await world.status()
  signalTo(pid, 'SIGUSR2')
  await waitFor('the end of the predecessor', () => !isAlive(pid))
  await world.settled()
}

async function reloadTwice({ pm2 }: World): Promise<void> {
  const results = await Promise.all([1, 2].map(() => pm2.run('reload', 'helloserver')))
  assert.ok(
    results.some(({ status }) => status === 0),
    'both reloads were refused',
  )
  await pm2.isListed('online')
}

export const reloads: readonly Event[] = [
  { name: 'pm2 reload', weight: 3, tolerance: {}, run: reload },
  { name: 'reload by HUP', weight: 2, tolerance: {}, run: hangUp },
  { name: 'HUP storm', weight: 2, tolerance: {}, run: storm },
  { name: 'upgrade', weight: 2, tolerance: {}, run: upgrade },
  { name: 'USR2', weight: 1, tolerance: {}, run: upgradeBySignal },
  { name: 'two reloads at once', weight: 1, tolerance: {}, run: reloadTwice },
]
