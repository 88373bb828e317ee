import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload, tryReload } from '../helpers/commands.ts'
import { Load } from '../helpers/load.ts'
import { counted, startService } from '../helpers/service.ts'

/** Takes a port of the loopback address; `release` lets go of it. */
async function takePort(t: TestContext) {
  const server = createServer()
  t.after(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const release = () => new Promise<void>((resolve) => server.close(() => resolve()))
  return { port: address.port, release }
}

async function freePort(t: TestContext): Promise<number> {
  const { port, release } = await takePort(t)
  await release()
  return port
}

describe('a reload to another address', { concurrency: 2 }, () => {
  test('serves at the new one, refuses at the old one, and finishes what the old one took', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    const holders = [await Client.connect(service.port), await Client.connect(service.port)]
    await counted(service, { active: 2 })
    const waiting = await Client.connect(service.port)
    await counted(service, { queued: 1 })
    const port = await freePort(t)
    service.sandbox.configure({ workers: 2, port })
    await reload(service)
    assert.deepEqual((await service.status()).listen, { host: '127.0.0.1', port })
    assert.equal((await ask(port, 'new\r\n')).text, 'new\r\n')
    assert.equal((await ask(service.port, 'old\r\n')).how, 'refused')
    for (const client of [...holders, waiting]) await client.send('old\r\n')
    for (const client of [...holders, waiting]) {
      assert.deepEqual(await client.ending(), { how: 'end', text: 'old\r\n' })
    }
    await counted(service, { accepted: 4, served: 4 })
  })

  test('of a service that goes on', async (t) => {
    const service = await startService(t, { allow: [/Reload failed/] })
    await t.test('the port that the system chose can be named afterwards', async () => {
      service.sandbox.configure({ port: service.port })
      await reload(service)
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    })

    await t.test('a generation that fails takes the new address with it', async () => {
      const port = await freePort(t)
      service.sandbox.configure({ port })
      service.sandbox.writeApp(`throw new Error('no')`)
      assert.equal((await tryReload(service)).outcome, 'failed')
      service.sandbox.writeApp()
      assert.equal((await ask(port, 'a\r\n')).how, 'refused')
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    })

    await t.test(
      'a port that another program has fails the reload, and nothing changes',
      async () => {
        const { port, release } = await takePort(t)
        const known = (await service.status()).generation
        const load = new Load(service.port, 4)
        service.sandbox.configure({ port, workers: 2 })
        const { status, stderr } = await service.cli('reload')
        assert.equal(status, 1)
        assert.match(stderr, new RegExp(`Cannot listen on 127.0.0.1:${port}: another program`))
        const { listen, generation, workers, lastReload } = await service.status()
        assert.deepEqual(listen, { host: '127.0.0.1', port: service.port })
        assert.deepEqual([generation, workers.length], [known, 1])
        assert.match(lastReload?.reason ?? '', /\(in step "address"\)$/)
        assert.deepEqual((await load.stop()).failures, [])
        await release()
        await reload(service)
        assert.equal((await ask(port, 'a\r\n')).text, 'a\r\n')
      },
    )

    await t.test('another host on the same port, where the system lets it', async () => {
      const { port } = (await service.status()).listen
      service.sandbox.configure({ host: '127.0.0.2', port })
      await reload(service)
      assert.equal((await ask(port, 'a\r\n')).how, 'refused')
      assert.deepEqual((await service.status()).listen, { host: '127.0.0.2', port })

      service.sandbox.configure({ host: '0.0.0.0', port })
      const refused = await service.cli('reload')
      assert.equal(refused.status, 1)
      assert.match(
        refused.stderr,
        new RegExp(`Cannot listen on 0.0.0.0:${port} while this service listens on 127.0.0.2:`),
      )
    })
  })
})
