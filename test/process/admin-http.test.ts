import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import type { Status } from '../../src/status.ts'
import { bearer, http, page, viewer } from '../helpers/admin.ts'
import { ask, Client } from '../helpers/client.ts'
import { reload, tryReload } from '../helpers/commands.ts'
import { freePort } from '../helpers/free-port.ts'
import { isAlive } from '../helpers/processes.ts'
import { Sandbox, type SandboxOptions } from '../helpers/sandbox.ts'
import { counted, type Service, startIn } from '../helpers/service.ts'
import { held, upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** A service with a page, and the page's port. */
async function withPage(
  t: TestContext,
  options: SandboxOptions = {},
): Promise<{ service: Service; port: number; sandbox: Sandbox }> {
  const sandbox = new Sandbox(t, options)
  const port = await freePort()
  sandbox.configure(page(sandbox, port, options.config))
  return { service: await startIn(sandbox), port, sandbox }
}

/** Whether the port is refused. */
const isRefused = async (port: number) => (await ask(port, 'x')).how === 'refused'

describe('the page over HTTP', { concurrency: 2 }, () => {
  test('is off unless the configuration says where', async (t) => {
    const sandbox = new Sandbox(t)
    const service = await startIn(sandbox)
    assert.ok(!service.log().includes('The page is at'))
    const port = await freePort()
    sandbox.configure(page(sandbox, port))
    await reload(service)
    assert.equal((await http(port, '/readyz')).body, 'serving\n')
    sandbox.configure()
    await reload(service)
    assert.ok(await isRefused(port))
  })

  test('says whether the service is alive, ready, and how it is', async (t) => {
    const { port, service } = await withPage(t)
    assert.deepEqual((await http(port, '/healthz')).status, 200)
    const ready = await http(port, '/readyz')
    assert.deepEqual([ready.status, ready.body], [200, 'serving\n'])
    const status = JSON.parse((await http(port, '/api/status')).body) as Status
    assert.equal(status.pid, service.pid)
    const head = await http(port, '/readyz', { method: 'HEAD' })
    assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '8'])
  })

  test('serves its files, and with each answer what keeps a browser from harm', async (t) => {
    const { port } = await withPage(t)
    for (const [path, type, status] of [
      ['/', 'text/html', 200],
      ['/page.css', 'text/css', 200],
      ['/page.js', 'text/javascript', 200],
      ['/icon.svg', 'image/svg+xml', 200],
      ['/api/status', 'application/json', 200],
      ['/../../package.json', 'application/json', 404],
      ['/page/../page.js', 'application/json', 404],
    ] as const) {
      const { headers, ...answer } = await http(port, path)
      assert.equal(answer.status, status, path)
      assert.ok(headers['content-type']?.startsWith(type), path)
      const policy = String(headers['content-security-policy'])
      assert.match(policy, /^default-src 'none';.*frame-ancestors 'none'/)
      assert.doesNotMatch(policy, /unsafe|http:|\*/)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['referrer-policy'], 'no-referrer')
      assert.equal(headers['cache-control'], 'no-store')
      assert.equal(headers['access-control-allow-origin'], undefined)
    }
  })

  test('answers neither another site nor a host that is not its own', async (t) => {
    const { port, service } = await withPage(t)
    const host = `127.0.0.1:${port}`
    const pages = ['/', '/page.js', '/metrics', '/api/status', '/api/live', '/nothing']
    const probes = ['/healthz', '/readyz']
    for (const [headers, status] of [
      [{ host: 'evil.example' }, 421],
      [{ host: `evil.example:${port}` }, 421],
      [{ host, origin: 'http://evil.example' }, 403],
      [{ host, origin: 'null' }, 403],
      [{ host, 'sec-fetch-site': 'cross-site' }, 403],
      [{ host, 'sec-fetch-site': 'same-site' }, 403],
    ] as const) {
      // A probe answers any host, since load balancers name whatever they like.
      for (const path of status === 421 ? pages : [...pages, ...probes]) {
        const answer = await http(port, path, { headers })
        assert.equal(answer.status, status, `${path} ${JSON.stringify(headers)}`)
        assert.doesNotMatch(answer.body, /serving|helloserver_|alive|<html/)
      }
      const acting = { method: 'POST', headers: { ...headers, ...bearer } }
      assert.equal((await http(port, '/api/reload', acting)).status, status)
    }
    assert.equal((await service.status()).generation, 1)
    const preflight = { method: 'OPTIONS', headers: { host, origin: 'http://evil.example' } }
    assert.equal((await http(port, '/api/reload', preflight)).status, 403)
  })

  test('a probe is answered whatever host it names, by GET, HEAD and OPTIONS alike', async (t) => {
    const { port, service } = await withPage(t, { config: { drain: { announceMs: 20_000 } } })
    const hosts = ['evil.example', `10.0.0.7:${port}`, '[::2]:80', '', '_', 'a b']
    const asked = ['GET', 'HEAD', 'OPTIONS'].flatMap((method) =>
      hosts.map((host) => ({ method, headers: { host } })),
    )
    const answers = async (path: string) => {
      const all = await Promise.all(asked.map((how) => http(port, path, how)))
      return [...new Set(all.map(({ status }) => status))]
    }
    assert.deepEqual(await answers('/healthz'), [200])
    assert.deepEqual(await answers('/readyz'), [200])
    service.signal('SIGUSR1')
    await waitFor('a service that drains', async () => (await service.status()).drain !== null)
    assert.deepEqual(await answers('/healthz'), [200])
    assert.deepEqual(await answers('/readyz'), [503])
    service.signal('SIGTERM')
  })

  test('OPTIONS says which methods there are, to other sites without leave to use them', async (t) => {
    const { port } = await withPage(t)
    for (const [path, status, methods] of [
      ['*', 204, 'GET, HEAD, POST, OPTIONS'],
      ['/', 204, 'GET, HEAD, OPTIONS'],
      ['/healthz', 200, 'GET, HEAD, OPTIONS'],
      ['/metrics', 204, 'GET, HEAD, OPTIONS'],
      ['/api/reload', 204, 'POST, OPTIONS'],
      ['/nothing', 404, undefined],
    ] as const) {
      const answer = await http(port, path, { method: 'OPTIONS' })
      assert.deepEqual([answer.status, answer.headers.allow], [status, methods], path)
      const cors = Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))
      assert.deepEqual(cors, [], path)
    }
    const wrong = await http(port, '/metrics', { method: 'DELETE' })
    assert.deepEqual([wrong.status, wrong.headers.allow], [405, 'GET, HEAD, OPTIONS'])
  })

  test('reloads and scales for who has the token, and for nobody else', async (t) => {
    const { port, service, sandbox } = await withPage(t, { allow: [/Reload failed/] })
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { cookie: 'token=x' }]) {
      for (const path of ['/api/token', '/api/reload', '/api/scale']) {
        const answer = await http(port, path, { method: 'POST', headers, body: '{"workers":2}' })
        assert.equal(answer.status, 401, path)
      }
    }
    assert.equal((await http(port, '/api/reload', { headers: bearer })).status, 405)
    assert.equal((await service.status()).generation, 1)

    const act = (path: string, body?: string) =>
      http(port, path, { method: 'POST', headers: bearer, ...(body !== undefined && { body }) })
    assert.equal((await act('/api/token')).status, 200)
    assert.equal((await act('/api/reload')).status, 200)
    assert.equal((await service.status()).generation, 2)
    assert.equal((await act('/api/scale', '{"workers":2}')).status, 200)
    assert.equal((await service.status()).workers.length, 2)
    for (const body of ['', '[]', 'x', '{"workers":0}', '{"workers":"2"}', '{"workers":1025}']) {
      assert.equal((await act('/api/scale', body)).status, 400, body)
    }
    assert.equal((await act('/api/scale', ' '.repeat(2_000))).status, 400)
    sandbox.configure(page(sandbox, port, { workers: 'many' }))
    const failed = await act('/api/reload')
    assert.equal(failed.status, 422)
    assert.match(failed.body, /workers is \\"many\\"/)
  })

  test('is not ready as soon as the drain is announced, and is there until its end', async (t) => {
    const drain = { announceMs: 60_000 }
    const { port, service } = await withPage(t, { config: { drain } })
    const client = await held(service)
    service.signal('SIGUSR1')
    const draining = await waitFor('a drain', async () => {
      const answer = await http(port, '/readyz')
      return answer.status === 503 ? answer : undefined
    })
    assert.equal(draining.body, 'draining\n')
    assert.equal((await http(port, '/healthz')).status, 200)
    const late = await Client.connect(service.port)
    await counted(service, { queued: 1 })
    service.signal('SIGUSR1')
    await waitFor('the end of the announcement', async () => {
      return (await service.status()).drain?.phase !== 'announcing'
    })
    assert.equal((await http(port, '/readyz')).status, 503)
    for (const one of [client, late]) {
      await one.send('bye\r\n')
      assert.equal((await one.ending()).text, 'bye\r\n')
    }
    await waitFor('the end of the page', () => isRefused(port))
  })

  test('moves with a reload; an address that is taken fails that one and changes nothing', async (t) => {
    const { port, service, sandbox } = await withPage(t, { allow: [/Reload failed/] })
    const holder = createServer().listen(0, '127.0.0.1')
    t.after(() => void holder.close())
    const taken = await waitFor('a port', () => {
      const address = holder.address()
      return typeof address === 'object' ? address?.port : undefined
    })
    sandbox.configure(page(sandbox, taken, { workers: 2 }))
    const refused = await service.cli('reload')
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /admin.http: cannot listen on 127.0.0.1:\d+: another program/)
    assert.match(refused.stderr, /\(in step "address"\)/)
    assert.equal((await http(port, '/readyz')).status, 200)
    assert.equal((await service.status()).workers.length, 1)

    const other = await freePort()
    sandbox.configure(page(sandbox, other))
    sandbox.writeApp(`throw new Error('no')`)
    assert.equal((await tryReload(service)).outcome, 'failed')
    assert.ok(await isRefused(other))
    sandbox.writeApp()
    await reload(service)
    assert.equal((await http(other, '/readyz')).status, 200)
    assert.ok(await isRefused(port))
  })

  test('an address that is taken fails the start, as the own one does', async (t) => {
    const holder = createServer().listen(0, '127.0.0.1')
    t.after(() => void holder.close())
    const taken = await waitFor('a port', () => {
      const address = holder.address()
      return typeof address === 'object' ? address?.port : undefined
    })
    const sandbox = new Sandbox(t, { allow: [/The start failed/] })
    sandbox.configure(page(sandbox, taken))
    const { status, stderr } = await sandbox.cli('start')
    assert.equal(status, 1)
    assert.match(stderr, /admin.http: cannot listen on/)
  })

  test('is refused at start where others could read it without a token', async (t) => {
    const sandbox = new Sandbox(t, { allow: [/The start failed/] })
    sandbox.configure({ admin: { http: `0.0.0.0:${await freePort()}` } })
    const { status, stderr } = await sandbox.cli('start')
    assert.equal(status, 78)
    assert.match(
      stderr,
      /admin.http is "0.0.0.0:\d+", which other hosts can reach; set admin.tokenFile/,
    )
  })

  test('shows others than this host nothing without the token', async (t) => {
    const sandbox = new Sandbox(t)
    const port = await freePort()
    sandbox.configure(page(sandbox, `0.0.0.0:${port}`))
    await startIn(sandbox)
    for (const path of ['/metrics', '/api/status', '/api/live']) {
      const answer = await http(port, path)
      assert.equal(answer.status, 401, path)
      assert.match(String(answer.headers['www-authenticate']), /^Bearer/)
    }
    assert.equal((await http(port, '/metrics', { headers: bearer })).status, 200)
    assert.equal((await http(port, '/readyz')).status, 200)
    assert.equal((await http(port, '/')).status, 200)
    assert.equal((await http(port, '/readyz', { host: '127.0.0.2' })).status, 200)
    const live = await viewer(port, bearer)
    assert.equal(live.status, 200)
    live.leave()
  })

  test('takes another token with a reload, and ends what the old one has opened', async (t) => {
    const sandbox = new Sandbox(t)
    const port = await freePort()
    sandbox.configure(page(sandbox, `0.0.0.0:${port}`))
    const service = await startIn(sandbox)
    const live = await viewer(port, bearer)
    writeFileSync(join(sandbox.runDir, 'token'), 'another-token-by-now')
    const unchanged = await http(port, '/metrics', { headers: bearer })
    assert.equal(unchanged.status, 200)
    await reload(service)
    await waitFor('the end of the view', () => live.hasEnded())
    assert.equal((await http(port, '/metrics', { headers: bearer })).status, 401)
    const headers = { authorization: 'Bearer another-token-by-now' }
    assert.equal((await http(port, '/metrics', { headers })).status, 200)
  })

  test('goes over to the successor in an upgrade, on the same port', async (t) => {
    const { port, service } = await withPage(t)
    const live = await viewer(port)
    const client = await held(service)
    const { pid } = await upgrade(service)
    assert.notEqual(pid, service.pid)
    await waitFor('the end of the old view', () => live.hasEnded())
    const status = await waitFor('the page of the successor', async () => {
      const answer = await http(port, '/api/status').catch(() => undefined)
      return answer?.status === 200 ? (JSON.parse(answer.body) as Status) : undefined
    })
    assert.equal(status.pid, pid)
    // The predecessor is still there, with what it has in hand.
    assert.ok(isAlive(service.pid))
    await client.send('bye\r\n')
    assert.equal((await client.ending()).text, 'bye\r\n')
  })
})
