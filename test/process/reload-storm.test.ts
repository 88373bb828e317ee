import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ask } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import { type Service, startService } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const reloadsOf = (service: Service) => service.log().match(/"kind":"reload-begun"/g)?.length ?? 0

test('a storm of signals', async (t) => {
  const service = await startService(t)
  await t.test('a hundred HUPs in a second make two reloads', async () => {
    for (let sent = 0; sent < 100; sent += 1) {
      service.signal('SIGHUP')
      await delay(10)
    }
    await waitFor('the second reload', async () => (await service.status()).generation === 3)
    // A command is a reload of its own, so whatever the signals still had to come would come before it.
    await reload(service)
    assert.equal(reloadsOf(service), 3)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  })

  await t.test('a command in their midst answers for what is on disk', async () => {
    const { sandbox } = service
    const before = (await service.status()).generation
    const caught = () => service.log().match(/Caught SIGHUP/g)?.length ?? 0
    for (let sent = 0; sent < 5; sent += 1) {
      const known = caught()
      service.signal('SIGHUP')
      await waitFor('the signal', () => caught() > known)
    }
    sandbox.configure({ workers: 2 })
    await reload(service)
    const { generation, workers } = await service.status()
    assert.ok(generation > before && generation <= before + 3, `generation ${generation}`)
    assert.equal(workers.filter((worker) => worker.generation === generation).length, 2)
  })
})

describe('a stop in the midst is no failure of', { concurrency: 2 }, () => {
  for (const [what, signal] of [
    ['a reload', 'SIGHUP'],
    ['an upgrade', 'SIGUSR2'],
  ] as const) {
    for (let afterMs = 0; afterMs < 160; afterMs = afterMs * 2 + 5) {
      test(`${what}, ${afterMs} ms after its beginning`, async (t) => {
        // At its end, it fails for an error in the log.
        const service = await startService(t)
        service.signal(signal)
        await waitFor('its beginning', () => reloadsOf(service) === 1)
        await delay(afterMs)
        service.signal('SIGUSR1')
        await service.sandbox.allEnded()
      })
    }
  }
})
