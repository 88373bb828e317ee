import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { askAt } from '../helpers/ask-at.ts'
import { ask, Client } from '../helpers/client.ts'
import { Load } from '../helpers/load.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { Sandbox, type SandboxOptions } from '../helpers/sandbox.ts'
import { counted, workerPids } from '../helpers/service.ts'
import { serviceAt, statusIn } from '../helpers/service-in.ts'
import { activate, freePort, knock, NotifySocket } from '../helpers/systemd.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

const unitFolder = new URL('../../../docs/systemd/', import.meta.url)

/** A service that was started by its first client, who has been served. */
async function activated(t: TestContext, options?: SandboxOptions) {
  const sandbox = new Sandbox(t, options)
  const port = await freePort()
  const notify = new NotifySocket(t, sandbox)
  await waitFor('the notify socket', () => existsSync(notify.path))
  const environment = { NOTIFY_SOCKET: notify.path }
  const { child, ended } = activate(t, sandbox, [`127.0.0.1:${port}`], { environment })
  const first = await waitFor('the first client', async () => {
    const ending = await ask(port, 'first\r\n')
    return ending.how === 'refused' ? undefined : ending
  })
  assert.deepEqual(first, { how: 'end', text: 'first\r\n' })
  const { pid } = await statusIn(sandbox)
  assert.equal(pid, child.pid)
  return { service: serviceAt(sandbox, pid, port), notify, ended }
}

describe('systemd', { concurrency: 2 }, () => {
  test('of a service that its first client has started', async (t) => {
    const { service, notify, ended } = await activated(t)

    await t.test('the first client on the socket starts the service, which serves it', async () => {
      assert.deepEqual((await service.status()).listen, { host: '127.0.0.1', port: service.port })
      const ready = await notify.received('READY=1')
      assert.deepEqual(ready, ['READY=1', `STATUS=Serving on 127.0.0.1:${service.port}`])
    })

    await t.test('nothing that the service manager left reaches a worker', async () => {
      for (const pid of await workerPids(service)) {
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
        assert.doesNotMatch(environment, /LISTEN_|NOTIFY_SOCKET/)
      }
    })

    await t.test('a reload keeps the socket, and says when it begins and ends', async () => {
      assert.equal((await service.cli('reload')).status, 0)
      const [, time] = await notify.received('RELOADING=1')
      assert.match(time ?? '', /^MONOTONIC_USEC=\d+$/)
      assert.deepEqual(await notify.received('READY=1', 2), ['READY=1', 'STATUS=Reloaded'])
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    })

    await t.test(
      'a reload with another port is refused: the address is not ours to change',
      async () => {
        service.sandbox.configure({ port: 4_711 })
        const { status, stderr } = await service.cli('reload')
        assert.equal(status, 1)
        const told =
          /The endpoint 127.0.0.1:0 cannot be changed or left out: the service manager has bound the socket/
        assert.match(stderr, told)
        assert.match((await notify.received('READY=1', 3)).join(), told)
      },
    )

    await t.test('a drain is announced, and whoever is in hand is served', async () => {
      const client = await Client.connect(service.port)
      await counted(service, { active: 1 })
      service.signal('SIGUSR1')
      const stopping = await notify.received('STOPPING=1')
      assert.deepEqual(stopping, ['STOPPING=1', 'STATUS=Draining: SIGUSR1'])
      await client.send('a\r\n')
      assert.deepEqual(await client.ending(), { how: 'end', text: 'a\r\n' })
      assert.equal((await within('the end of the service', ended)).status, 0)
    })
  })

  test('a service manager that does not listen is no reason not to serve', async (t) => {
    const sandbox = new Sandbox(t)
    const port = await freePort()
    const environment = { NOTIFY_SOCKET: `${sandbox.runDir}/nobody` }
    const { child, ended } = activate(t, sandbox, [`127.0.0.1:${port}`], { environment })
    let log = ''
    child.stdout?.on('data', (chunk) => {
      log += chunk
    })
    await waitFor('a client', async () => (await ask(port, 'a\r\n')).text === 'a\r\n')
    const warning = /"level":"warn".*"READY=1".*Cannot notify the service manager/
    await waitFor('the warning', () => warning.test(log))
    child.kill('SIGUSR1')
    const { status } = await within('the end of the service', ended)
    assert.equal(status, 0)
  })

  test('a restart refuses nobody while somebody keeps the socket, as systemd does', async (t) => {
    const sandbox = new Sandbox(t)
    const port = await freePort()
    const again = `for run in 1 2; do /bin/sh -c 'LISTEN_PID=$$ exec "$@"' sh "$@"; done`
    const wrapper = ['/bin/sh', '-c', again, 'sh']
    const { ended } = activate(t, sandbox, [`127.0.0.1:${port}`], { wrapper })
    await waitFor('a client', async () => (await ask(port, 'a\r\n')).text === 'a\r\n')
    const load = new Load(port, 4)
    const { pid } = await statusIn(sandbox)
    const before = load.asked
    await waitFor('some load', () => load.asked > before + 20)
    signalTo(pid, 'SIGUSR1')
    await waitFor('the end of the first run', () => !isAlive(pid))
    const next = await waitFor('the second run', () => statusIn(sandbox).catch(() => undefined))
    const { asked, failures } = await load.stop()
    assert.ok(asked > before + 20)
    assert.deepEqual(failures, [])
    signalTo(next.pid, 'SIGUSR1')
    assert.equal((await within('the end of the second run', ended)).status, 0)
  })

  const refusals: readonly [what: string, addresses: string[], options: string[], told: RegExp][] =
    [
      ['two sockets', ['127.0.0.1:PORT', 'RUN/second'], [], /passed 2 sockets for 1 endpoint; /],
      ['a datagram socket', ['127.0.0.1:PORT'], ['--datagram'], /descriptor 3 .*a TCP socket/],
      ['a Unix socket', ['RUN/second'], [], /descriptor 3 for \S+: it must be a TCP socket/],
    ]
  for (const [what, addresses, options, told] of refusals) {
    test(`${what} in place of a TCP socket is refused`, async (t) => {
      const sandbox = new Sandbox(t)
      const port = await freePort()
      const places = addresses.map((address) =>
        address.replace('PORT', String(port)).replace('RUN', sandbox.runDir),
      )
      const { child, ended } = activate(t, sandbox, places, { options })
      await waitFor('the end of the start', () => {
        knock(places[0] ?? '')
        return child.exitCode !== null
      })
      const { status, stderr } = await ended
      assert.equal(status, 78)
      assert.match(stderr, told)
    })
  }

  test('several sockets are for the endpoints that their names tell', async (t) => {
    const sandbox = new Sandbox(t)
    const [port, path] = [await freePort(), join(sandbox.runDir, 'public.sock')]
    sandbox.configure({ listen: ['127.0.0.1:1', 'unix:/nowhere'] })
    const options = ['--fdname=listen.1:listen.0']
    const { child, ended } = activate(t, sandbox, [path, `127.0.0.1:${port}`], { options })
    await waitFor('a client', async () => (await askAt(`127.0.0.1:${port}`)) === 'a\r\n')
    assert.equal(await askAt(`unix:${path}`), 'a\r\n')
    assert.deepEqual((await statusIn(sandbox)).endpoints, [`127.0.0.1:${port}`, 'unix:/nowhere'])
    child.kill('SIGUSR1')
    assert.equal((await within('the end of the service', ended)).status, 0)
    assert.equal(existsSync(path), true)
  })

  test('the unit files of the documentation are good', (t) => {
    const { runDir: folder } = new Sandbox(t)
    for (const unit of ['helloserver.service', 'helloserver.socket']) {
      const text = readFileSync(new URL(unit, unitFolder), 'utf8')
      writeFileSync(join(folder, unit), text.replaceAll('/usr/bin/node', process.execPath))
    }
    const units = ['helloserver.service', 'helloserver.socket'].map((unit) => join(folder, unit))
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units])
    assert.deepEqual([status, stderr.toString()], [0, ''])
  })
})
