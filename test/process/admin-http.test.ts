import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { exitStatusOf } from '../../src/errors.ts'
import type { Status } from '../../src/status.ts'
import { bearer, http, page, viewer } from '../helpers/admin.ts'
import { ask, Client } from '../helpers/client.ts'
import { reload, tryReload } from '../helpers/commands.ts'
import { freePort } from '../helpers/free-port.ts'
import { isAlive } from '../helpers/processes.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import { counted, type Service, startIn } from '../helpers/service.ts'
import { held, upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** A port that another program has until the test ends. */
function takenPort(t: TestContext): Promise<number> {
  const holder = createServer().listen(0, '127.0.0.1')
  t.after(() => void holder.close())
  return waitFor('a port', () => {
    const address = holder.address()
    return typeof address === 'object' ? address?.port : undefined
  })
}

/** Whether the port is refused. */
const isRefused = async (port: number) => (await ask(port, 'x')).how === 'refused'

/** A service with a page, and the page's port. */
interface Page {
  readonly service: Service
  readonly port: number
}

async function saysHowItIs({ port, service }: Page): Promise<void> {
  assert.deepEqual((await http(port, '/healthz')).status, 200)
  const ready = await http(port, '/readyz')
  assert.deepEqual([ready.status, ready.body], [200, 'serving\n'])
  const status = JSON.parse((await http(port, '/api/status')).body) as Status
  assert.equal(status.pid, service.pid)
  const head = await http(port, '/readyz', { method: 'HEAD' })
  assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '8'])
}

async function servesFiles({ port }: Page): Promise<void> {
  for (const [path, type, status] of [
    ['/', 'text/html', 200],
    ['/page.css', 'text/css', 200],
    ['/page.js', 'text/javascript', 200],
    ['/endpoint.js', 'text/javascript', 200],
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
}

async function answersNoOtherSite({ port, service }: Page): Promise<void> {
  const { generation } = await service.status()
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
  assert.equal((await service.status()).generation, generation)
  const preflight = { method: 'OPTIONS', headers: { host, origin: 'http://evil.example' } }
  assert.equal((await http(port, '/api/reload', preflight)).status, 403)
}

async function saysWhichMethods({ port }: Page): Promise<void> {
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
}

async function actsForTheToken({ port, service }: Page): Promise<void> {
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
  service.sandbox.configure(page(service.sandbox, port, { workers: 'many' }))
  const failed = await act('/api/reload')
  assert.equal(failed.status, 422)
  assert.match(failed.body, /workers is \\"many\\"/)
}

async function moves(t: TestContext, { port, service }: Page): Promise<void> {
  const { sandbox } = service
  const { workers } = await service.status()
  const taken = await takenPort(t)
  sandbox.configure(page(sandbox, taken, { workers: 4 }))
  const refused = await service.cli('reload')
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /admin.http: cannot listen on 127.0.0.1:\d+: another program/)
  assert.match(refused.stderr, /\(in step "address"\)/)
  assert.equal((await http(port, '/readyz')).status, 200)
  assert.equal((await service.status()).workers.length, workers.length)

  const other = await freePort()
  sandbox.configure(page(sandbox, other))
  sandbox.writeApp(`throw new Error('no')`)
  assert.equal((await tryReload(service)).outcome, 'failed')
  assert.ok(await isRefused(other))
  sandbox.writeApp()
  await reload(service)
  assert.equal((await http(other, '/readyz')).status, 200)
  assert.ok(await isRefused(port))
}

async function goesOver({ port, service }: Page): Promise<void> {
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
}

async function showsOthersNothing(port: number): Promise<void> {
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
}

async function takesAnotherToken({ port, service }: Page): Promise<void> {
  const live = await viewer(port, bearer)
  writeFileSync(join(service.sandbox.runDir, 'token'), 'another-token-by-now')
  const unchanged = await http(port, '/metrics', { headers: bearer })
  assert.equal(unchanged.status, 200)
  await reload(service)
  await waitFor('the end of the view', () => live.hasEnded())
  assert.equal((await http(port, '/metrics', { headers: bearer })).status, 401)
  const headers = { authorization: 'Bearer another-token-by-now' }
  assert.equal((await http(port, '/metrics', { headers })).status, 200)
}

/** Probes name whatever host they like, by three methods. */
const probes = ['GET', 'HEAD', 'OPTIONS'].flatMap((method) =>
  ['evil.example', '10.0.0.7:80', '[::2]:80', '', '_', 'a b'].map((host) => ({
    method,
    headers: { host },
  })),
)

/** The statuses that probes of a path are answered with. */
async function probed(port: number, path: string): Promise<number[]> {
  const all = await Promise.all(probes.map((how) => http(port, path, how)))
  return [...new Set(all.map(({ status }) => status))]
}

async function isThereInDrain({ port, service }: Page): Promise<void> {
  const client = await held(service)
  service.signal('SIGUSR1')
  const draining = await waitFor('a drain', async () => {
    const answer = await http(port, '/readyz')
    return answer.status === 503 ? answer : undefined
  })
  assert.equal(draining.body, 'draining\n')
  assert.deepEqual(await probed(port, '/healthz'), [200])
  assert.deepEqual(await probed(port, '/readyz'), [503])
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
}

// So many requests are answered in a second that the tests must not all ask one primary.
describe('the page over HTTP', { concurrency: 2 }, () => {
  test('of a service that begins without one', async (t) => {
    const sandbox = new Sandbox(t, { allow: [/Reload failed/] })
    const service = await startIn(sandbox)
    const port = await freePort()
    const there = { service, port }

    await t.test('is off unless the configuration says where', async () => {
      assert.ok(!service.log().includes('The admin page is at'))
      sandbox.configure(page(sandbox, port))
      await reload(service)
      assert.equal((await http(port, '/readyz')).body, 'serving\n')
      sandbox.configure()
      await reload(service)
      assert.ok(await isRefused(port))
    })

    const open = await freePort()
    sandbox.configure(page(sandbox, `0.0.0.0:${open}`))
    await reload(service)
    await t.test('shows others than this host nothing without the token', () =>
      showsOthersNothing(open),
    )
    await t.test('takes another token with a reload, and ends what the old one has opened', () =>
      takesAnotherToken({ service, port: open }),
    )

    sandbox.configure(page(sandbox, port))
    await reload(service)
    await t.test('answers neither another site nor a host that is not its own', () =>
      answersNoOtherSite(there),
    )
    await t.test('goes over to the successor in an upgrade, on the same port', () =>
      goesOver(there),
    )
    await t.test(
      'a probe is answered whatever host it names, by GET, HEAD and OPTIONS alike',
      async () => {
        assert.deepEqual(await probed(port, '/healthz'), [200])
        assert.deepEqual(await probed(port, '/readyz'), [200])
      },
    )
  })

  test('of a service that has one', async (t) => {
    const sandbox = new Sandbox(t, { allow: [/Reload failed/] })
    const port = await freePort()
    const drain = { announceMs: 600_000 }
    sandbox.configure(page(sandbox, port, { drain }))
    const there = { service: await startIn(sandbox), port }

    await t.test('says whether it is alive, ready, and how it is', () => saysHowItIs(there))
    await t.test('serves its files, and with each answer what keeps a browser from harm', () =>
      servesFiles(there),
    )
    await t.test(
      'OPTIONS says which methods there are, to other sites without leave to use them',
      () => saysWhichMethods(there),
    )
    await t.test('reloads and scales for who has the token, and for nobody else', () =>
      actsForTheToken(there),
    )
    sandbox.configure(page(sandbox, port, { drain }))
    await t.test(
      'moves with a reload; an address that is taken fails that one and changes nothing',
      (subtest) => moves(subtest, there),
    )
    sandbox.configure(page(sandbox, port, { drain }))
    await reload(there.service)
    await t.test('is not ready as soon as the drain is announced, and is there until its end', () =>
      isThereInDrain(there),
    )
  })

  test('is refused at start where others could read it without a token, or where it cannot be', async (t) => {
    const sandbox = new Sandbox(t, { allow: [/The start failed/] })
    sandbox.configure({ admin: { http: `0.0.0.0:${await freePort()}` } })
    await assert.rejects(sandbox.start(), (error: Error) => {
      const told = /admin.http is "0.0.0.0:\d+", which other hosts can reach; set admin.tokenFile/
      assert.match(error.message, told)
      assert.equal(exitStatusOf(error), 78)
      return true
    })

    const taken = await takenPort(t)
    sandbox.configure(page(sandbox, taken))
    await assert.rejects(sandbox.start(), (error: Error) => {
      assert.match(error.message, /admin.http: cannot listen on/)
      assert.equal(exitStatusOf(error), 1)
      return true
    })
  })
})
