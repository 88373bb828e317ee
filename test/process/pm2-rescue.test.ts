import assert from 'node:assert/strict'
import { nativeProcessTest } from '../helpers/native-process-test.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { signalTo } from '../helpers/processes.ts'
import { counted } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

nativeProcessTest(
  'under pm2, a primary that is killed under load is replaced by its bridge',
  async (t) => {
    const pm2 = new Pm2(t, {
      environment: { HELLOSERVER_NATIVE: 'on' },
      config: { workers: 2, rescue: { startAfterMs: 0 } },
      allow: [/The primary died; leaving it to pm2 to start the service again/],
    })
    const first = await pm2.start()
    const load = pm2.load(first.port, 8)
    await waitFor('load', () => load.asked > 50)
    signalTo(first.pid, 'SIGKILL')
    const status = await waitFor('another primary', async () => {
      const now = await pm2.status().catch(() => undefined)
      const isAnother = now?.state === 'serving' && now.pid !== first.pid
      return isAnother && now.supervisor.attached ? now : undefined
    })
    const soFar = load.asked
    await waitFor('load after it', () => load.asked > soFar + 50)
    const { asked, failures } = await load.stop()
    assert.deepEqual(
      failures.filter(({ how }) => how === 'refused'),
      [],
    )
    assert.ok(status.events.some(({ kind }) => kind === 'primary-replaced'))
    await counted(await pm2.service(), {
      accepted: asked,
      served: asked - failures.length,
      failed: failures.length,
      queued: 0,
      active: 0,
    })
    await pm2.do('stop', 'helloserver')
  },
)
