import assert from 'node:assert/strict'
import { existsSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { askAt } from '../helpers/ask-at.ts'
import { reload, tryReload, upgrade } from '../helpers/commands.ts'
import { run } from '../helpers/run.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import { counted, type Service, startIn } from '../helpers/service.ts'
import { freePort } from '../helpers/systemd.ts'
import { pidIn } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Answers with both ends of the connection. */
const app = `export default {
  async handle(connection) {
    await connection.readLine()
    const { remote, local } = connection
    await connection.write(JSON.stringify({ remote, local }))
  },
}
`

interface Answer {
  readonly remote: { readonly address?: string; readonly port?: number; readonly path?: string }
  readonly local: object
}

async function ends(endpoint: string): Promise<Answer> {
  return JSON.parse(await askAt(endpoint)) as Answer
}

/** A service with an endpoint of each kind. */
async function ofEachKind(t: TestContext) {
  const sandbox = new Sandbox(t, { app, allow: [/Reload failed/, /"kind":"file-lost"/] })
  const socket = join(sandbox.runDir, 'public.sock')
  const [port, dual] = [await freePort(), await freePort()]
  const endpoints = [
    `127.0.0.1:${port}`,
    `[::]:${dual}`,
    `unix:${socket}`,
    `unix:@${sandbox.runDir}`,
  ]
  const listen = endpoints.map((address) =>
    address === `unix:${socket}` ? { address, mode: '0666' } : address,
  )
  const config = { listen, log: { access: true } }
  sandbox.configure(config)
  return { sandbox, socket, port, dual, endpoints, listen, config }
}

/** A connection that is refused, by a closed socket or a missing file. */
const refused = /^(ECONNREFUSED|ENOENT|ECONNRESET)$/

/** By HUP to the service as it is now. */
async function reloadBySignal(sandbox: Sandbox): Promise<void> {
  const done = () => sandbox.log().split('Reloaded in').length
  const before = done()
  process.kill(pidIn(sandbox), 'SIGHUP')
  await waitFor('the reload', () => done() > before)
}

describe('several endpoints', { concurrency: 2 }, () => {
  test('of a service that has each kind', async (t) => {
    const { sandbox, socket, port, dual, endpoints, listen, config } = await ofEachKind(t)
    const service = await startIn(sandbox)
    const inode = () => lstatSync(socket).ino
    const allAnswer = async () => {
      for (const endpoint of endpoints) assert.match(await askAt(endpoint), /"local"/)
    }

    await t.test('serves all of them, and shows them', async () => {
      await allAnswer()
      const status = await service.status()
      assert.deepEqual(status.listen, { host: '127.0.0.1', port })
      assert.deepEqual(status.endpoints, endpoints)
      const shown = (await service.cli('status')).stdout
      assert.ok(shown.includes(endpoints.join(', ')), shown)
      assert.match(service.log(), new RegExp(`"msg":"Serving on 127.0.0.1:${port}, \\[::\\]:`))
    })

    await t.test('a handler sees both ends in one shape', async () => {
      assert.deepEqual((await ends(`127.0.0.1:${port}`)).local, { address: '127.0.0.1', port })
      assert.deepEqual((await ends(`[::1]:${dual}`)).local, { address: '::1', port: dual })
      // A client of the other kind has the address that it would have at an endpoint of its own kind.
      const mapped = await ends(`127.0.0.1:${dual}`)
      assert.deepEqual(mapped.local, { address: '127.0.0.1', port: dual })
      assert.equal(mapped.remote.address, '127.0.0.1')
      for (const path of [socket, `@${sandbox.runDir}`]) {
        assert.deepEqual(await ends(`unix:${path}`), { remote: { path }, local: { path } })
      }
    })

    await t.test('socat reaches the Unix sockets, and the access line names them', async () => {
      assert.equal(lstatSync(socket).mode & 0o777, 0o666)
      const shell = (to: string) => run('sh', ['-c', `printf 'a\\r\\n' | socat -t 5 - '${to}'`])
      assert.match(shell(`UNIX-CONNECT:${socket}`), /"path":/)
      // Node.js 20 pads the name, later releases do not.
      const isPadded = readFileSync('/proc/net/unix', 'latin1').includes(`@${sandbox.runDir}@`)
      const abstract = `ABSTRACT-CONNECT:${sandbox.runDir},unix-tightsocklen=${isPadded ? 0 : 1}`
      assert.match(shell(abstract), /"path":"@/)
      await sandbox.logged(/"kind":"access".*"peer":"unix:@.*"outcome":"served"/)
    })

    await t.test('a Unix socket that others remove is put back', async () => {
      rmSync(socket)
      await waitFor('the socket', async () => /"local"/.test(await askAt(`unix:${socket}`)))
      assert.equal(lstatSync(socket).mode & 0o777, 0o666)
      await sandbox.logged(/The Unix socket was missing; restored it at .*public\.sock/)
    })

    await t.test('an upgrade passes all sockets on', async () => {
      const before = inode()
      await upgrade(service)
      await allAnswer()
      assert.equal(inode(), before)
      await waitFor('the status of the successor', async () => {
        const status = await service.status()
        return status.pid !== service.pid && status.endpoints?.length === 4
      })
    })

    await t.test(
      'what others have put in place of a Unix socket stays, which is said',
      async () => {
        const saved = `${socket}.saved`
        renameSync(socket, saved)
        writeFileSync(socket, 'precious')
        await sandbox.logged(
          /The Unix socket at .* was replaced and cannot be restored yet: .* a file that is not a socket/,
        )
        assert.match(await askAt(`127.0.0.1:${port}`), /"local"/)
        assert.match(await askAt(`unix:${saved}`), /"local"/)
        assert.equal(readFileSync(socket, 'utf8'), 'precious')
        rmSync(socket)
        await reloadBySignal(sandbox)
        await waitFor('the socket', async () => /"local"/.test(await askAt(`unix:${socket}`)))
        await waitFor('the end of the other', async () =>
          refused.test(await askAt(`unix:${saved}`)),
        )
        rmSync(saved)
      },
    )

    await t.test('a reload that cannot bind one changes none', async (t2) => {
      const other = createServer().listen(0, '127.0.0.1')
      t2.after(() => other.close())
      await waitFor('the other program', () => other.listening)
      const { port: taken } = other.address() as { port: number }
      const fresh = await freePort()
      sandbox.configure({ ...config, listen: [`127.0.0.1:${fresh}`, `127.0.0.1:${taken}`] })
      const { outcome, reason } = await tryReload(service)
      assert.equal(outcome, 'failed')
      assert.match(reason ?? '', new RegExp(`Cannot listen on 127.0.0.1:${taken}: another program`))
      await allAnswer()
      assert.match(await askAt(`127.0.0.1:${fresh}`), refused)
    })

    await t.test('a reload that fails later changes none either', async () => {
      const fresh = `unix:${join(sandbox.runDir, 'fresh.sock')}`
      sandbox.configure({
        ...config,
        listen: [fresh, { address: `unix:${socket}`, mode: '0600' }],
      })
      sandbox.writeApp(`throw new Error('no')`)
      assert.equal((await tryReload(service)).outcome, 'failed')
      sandbox.writeApp(app)
      await allAnswer()
      assert.match(await askAt(fresh), refused)
      assert.equal(lstatSync(socket).mode & 0o777, 0o666)
    })

    await t.test(
      'a reload adds, removes and changes endpoints, and leaves others alone',
      async () => {
        const [before, fresh] = [inode(), join(sandbox.runDir, 'fresh.sock')]
        sandbox.configure({
          ...config,
          listen: [`unix:${fresh}`, { address: `unix:${socket}`, mode: '0600' }, listen[0]],
        })
        await reload(service)
        assert.match(await askAt(`unix:${fresh}`), /"local"/)
        assert.match(await askAt(`127.0.0.1:${port}`), /"local"/)
        for (const gone of [`[::1]:${dual}`, `unix:@${sandbox.runDir}`]) {
          assert.match(await askAt(gone), refused)
        }
        assert.equal(inode(), before)
        assert.equal(lstatSync(socket).mode & 0o777, 0o600)
        sandbox.configure(config)
        await reload(service)
        await allAnswer()
        assert.equal(existsSync(fresh), false)
      },
    )

    await t.test('a stop removes the file', async () => {
      const { pid } = await service.status()
      process.kill(pid, 'SIGUSR1')
      await waitFor('the end of the file', () => !existsSync(socket))
    })
  })

  test('what is at the path of a Unix socket decides whether it may listen', async (t) => {
    const sandbox = new Sandbox(t, { allow: [/The start failed/] })
    const socket = join(sandbox.runDir, 'public.sock')
    sandbox.configure({ listen: [`unix:${socket}`] })
    const first = await startIn(sandbox)
    first.signal('SIGKILL')
    await waitFor('the end of it all', () => sandbox.processes().length === 0)
    assert.equal(existsSync(socket), true)
    const second = await startIn(sandbox)
    assert.match(second.log(), /"level":"warn".*Replacing a socket that nobody listens on any more/)
    assert.equal(await askAt(`unix:${socket}`), 'a\r\n')
    const told = async (name: string) => (await sandbox.cli('start', '--name', name)).stderr
    assert.match(await told('other'), /public\.sock: another program listens there/)
    await second.stop()
    writeFileSync(socket, '')
    assert.match(await told('third'), /public\.sock: there is a file that is not a socket/)
  })

  test('of clients that are turned away at the door', async (t) => {
    const { sandbox, port, endpoints, config } = await ofEachKind(t)
    const service: Service = await startIn(sandbox)
    const [tcp = '', , unix = ''] = endpoints
    const shut = /^(|ECONNRESET|EPIPE)$/

    await t.test('an address that is denied is, on every TCP endpoint', async () => {
      sandbox.configure({ ...config, access: { deny: ['127.0.0.0/8'] } })
      await reload(service)
      for (const endpoint of endpoints.slice(0, 2)) {
        assert.match(await askAt(endpoint.replace('[::]', '127.0.0.1')), shut)
      }
      assert.match(await askAt(unix), /"local"/)
      await counted(service, { shed: 2 })
      await sandbox.logged(/"kind":"access".*"outcome":"shed","reason":"denied"/)
      await sandbox.logged(/"kind":"failures","reason":"denied"/)
    })

    await t.test('one that is not among those allowed is, too', async () => {
      sandbox.configure({ ...config, access: { allow: ['::1', '192.0.2.0/24'] } })
      await reload(service)
      assert.match(await askAt(tcp), shut)
      assert.match(await askAt(`[::1]:${endpoints[1]?.split(':').at(-1)}`), /"local"/)
    })

    await t.test('an address that connects too often is, until it has waited', async () => {
      sandbox.configure({ ...config, access: { maxPerSecond: 2 } })
      await reload(service)
      const answers = await Promise.all(Array.from({ length: 6 }, () => askAt(tcp)))
      assert.ok(answers.filter((answer) => shut.test(answer)).length >= 2)
      await sandbox.logged(/"kind":"access".*"outcome":"shed","reason":"rate-limit"/)
      await waitFor('a client that is let in again', async () =>
        /"local"/.test(await askAt(`127.0.0.1:${port}`)),
      )
    })
  })
})
