import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fleetOf, memberOptions, startFleet } from '../helpers/fleet.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import type { Service } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

test('a restart whose turn comes after pm2 has given up to wait is one all the same', async (t) => {
  const redis = await RedisServer.start(t)
  const [other] = (await startFleet(t, redis, ['web1'])) as [Service]
  const pm2 = new Pm2(t, {
    ...memberOptions(redis, 'web2'),
    entry: { kill_timeout: 1_000, listen_timeout: 2_000 },
  })
  const before = await pm2.start()
  other.signal('SIGSTOP')
  await waitFor('a dead host', async () => (await fleetOf(before)).hosts[0]?.state === 'dead')
  await pm2.do('restart', 'helloserver')
  await pm2.logged(/The primary is to end first: waiting for a permit/)
  assert.equal((await before.status()).pid, before.pid)
  other.signal('SIGCONT')
  await waitFor('another primary', async () => {
    const status = await pm2.status().catch(() => undefined)
    return status?.state === 'serving' && status.pid !== before.pid && status.supervisor.attached
  })
})
