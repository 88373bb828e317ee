import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { Status } from '../../src/status.ts'
import { http, page } from '../helpers/admin.ts'
import { askAt } from '../helpers/ask-at.ts'
import { ask } from '../helpers/client.ts'
import { reload, stop, upgrade } from '../helpers/commands.ts'
import { freePort } from '../helpers/free-port.ts'
import { becomes, Hosts } from '../helpers/hosts.ts'
import { noOwnHosts, OwnHost } from '../helpers/own-host.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { type CommandResult, resultOf, Sandbox, type SandboxOptions } from '../helpers/sandbox.ts'
import { startService } from '../helpers/service.ts'
import { statusIn } from '../helpers/service-in.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

const address = '10.201.7.7'
/** TEST-NET-1 (RFC 5737): no host has one of these. */
const nobodys = '192.0.2.1'

/** A host, and what a service on it would be. */
async function hostFor(t: TestContext, options: SandboxOptions) {
  const sandbox = new Sandbox(t, options)
  const host = await OwnHost.make(t)
  return { sandbox, host, cli: cliOn(host, sandbox) }
}

function cliOn(host: OwnHost, sandbox: Sandbox) {
  return (...args: string[]): Promise<CommandResult> => {
    const stdio = ['ignore', 'pipe', 'pipe'] as const
    const child = sandbox.spawnThrough(host.wrapper, args, { stdio: [...stdio] })
    return within(`helloserver ${args.join(' ')}`, resultOf(child))
  }
}

/** A service that was started on a host that lacks what it is configured for, and says so. */
async function startedTooEarly(t: TestContext, options: SandboxOptions, reason: RegExp) {
  const early = await hostFor(t, options)
  const { status, stdout, stderr } = await early.cli('start')
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^helloserver stands by \(Cannot listen on /)
  assert.match(stdout, reason)
  return early
}

/** Waits until the service in a sandbox is as `state` says. */
function is(sandbox: Sandbox, state: Status['state']): Promise<Status> {
  return waitFor(`a service that is "${state}"`, async () => {
    const status = await statusIn(sandbox)
    return status.state === state ? status : undefined
  })
}

describe('a network that is not there yet', { concurrency: 2, skip: noOwnHosts() ?? false }, () => {
  test('an address: the service says that it waits, and serves as soon as it is there', async (t) => {
    const absent = /: this host does not have the address\) as process/
    const early = await startedTooEarly(t, { config: { host: address } }, absent)
    const { sandbox, host, cli } = early
    const status = await statusIn(sandbox)
    assert.equal(status.state, 'standby')
    assert.match(status.waiting?.reason ?? '', /does not have the address$/)
    assert.match(
      (await cli('status')).stdout,
      /^waiting +since \S+: Cannot listen on 10\.201\.7\.7:0: /m,
    )
    await host.addAddress(`${address}/32`)
    const serving = await is(sandbox, 'serving')
    assert.equal(serving.waiting, null)
    assert.equal(await host.ask(address, serving.listen.port, 'hello'), 'hello\r\n')
    // However often it was tried, it is said once.
    assert.equal(sandbox.log().match(/does not have the address; retrying/g)?.length, 1)
    assert.equal(serving.events.filter(({ kind }) => kind === 'started').length, 1)
  })

  test('a name: first it is unknown, then its address is missing', async (t) => {
    const config = { host: 'later.example' }
    const early = await startedTooEarly(t, { config }, /the name does not resolve \(not found\)/)
    const { sandbox, host } = early
    host.addName('later.example', address)
    await sandbox.logged(/later\.example:0 \(10\.201\.7\.7\): this host does not have the address/)
    await host.addAddress(`${address}/32`)
    const { listen } = await is(sandbox, 'serving')
    assert.equal(await host.ask('later.example', listen.port, 'hello'), 'hello\r\n')
  })

  test('an address of a link: first the link is missing, then the address', async (t) => {
    const config = { host: 'fe80::7%later' }
    const early = await startedTooEarly(t, { config }, /does not have the interface "later"/)
    const { sandbox, host } = early
    await host.run('ip', 'link', 'add', 'later', 'up', 'type', 'bridge')
    await sandbox.logged(/\[fe80::7%later\]:0: this host does not have the address/)
    await host.addAddress('fe80::7/64', 'later')
    assert.equal((await is(sandbox, 'serving')).listen.host, 'fe80::7%later')
  })

  test('HUP while it waits reads the configuration, and tries at once', async (t) => {
    const early = await startedTooEarly(t, { config: { host: address } }, /the address/)
    const { sandbox, host } = early
    sandbox.configure({ host: '10.201.7.8' })
    await reload(sandbox)
    await sandbox.logged(/Cannot listen on 10\.201\.7\.8:0: /)
    sandbox.configure({ host: '127.0.0.1' })
    process.kill((await statusIn(sandbox)).pid, 'SIGHUP')
    const { listen } = await is(sandbox, 'serving')
    assert.equal(await host.ask('127.0.0.1', listen.port, 'hello'), 'hello\r\n')
  })

  test('a stop ends the wait at once, also when no name server answers', async (t) => {
    const { sandbox, host, cli } = await hostFor(t, { config: { host: 'silent.example' } })
    await host.silenceNameServer(t)
    const { status, stdout } = await cli('start')
    assert.equal(status, 0)
    assert.match(stdout, /stands by .*: the name does not resolve \(no answer within \d+ ms\)/)
    const { pid } = await statusIn(sandbox)
    // A resolver in the process itself would keep it for ten seconds.
    await within('the stop', stop(sandbox), 8_000)
    assert.ok(!isAlive(pid))
  })

  test('an upgrade while it waits leaves the waiting to the successor', async (t) => {
    const early = await startedTooEarly(t, { config: { host: address } }, /the address/)
    const { sandbox, host } = early
    const { pid } = await statusIn(sandbox)
    await upgrade(sandbox)
    const upgraded = await statusIn(sandbox)
    assert.notEqual(upgraded.pid, pid)
    assert.match(upgraded.waiting?.reason ?? '', /does not have the address$/)
    await host.addAddress(`${address}/32`)
    const { listen } = await is(sandbox, 'serving')
    assert.equal(await host.ask(address, listen.port, 'hello'), 'hello\r\n')
  })

  test("the page's address keeps nobody from being served, and no reload from being done", async (t) => {
    const { sandbox, host, cli } = await hostFor(t, { allow: [/Reload failed/] })
    const port = await freePort()
    sandbox.configure(page(sandbox, `${address}:${port}`))
    assert.match((await cli('start')).stdout, /serves on 127\.0\.0\.1/)
    await sandbox.logged(/admin\.http: cannot listen on \S+: this host does not have the address/)
    sandbox.configure(page(sandbox, `${address}:${port}`, { workers: 2 }))
    await reload(sandbox)
    sandbox.configure(page(sandbox, `10.201.7.8:${port}`))
    const refused = await cli('reload')
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /10\.201\.7\.8:\d+: this host does not have the address \(in step/)
    await host.addAddress(`${address}/32`)
    await sandbox.logged(/The admin page is at http:\/\/10\.201\.7\.7/)
    const get = `exec 3<>/dev/tcp/$0/$1 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`
    assert.match(await host.run('bash', '-c', get, address, String(port)), /200 OK[^]*serving\n$/)
  })

  test('pm2 finds a service that waits online, and leaves it to wait', async (t) => {
    const pm2 = new Pm2(t, { config: { host: address } })
    const host = await OwnHost.make(t)
    pm2.wrapper = host.wrapper
    await pm2.do('start', pm2.ecosystemFile)
    const { pm2_env: entry } = await pm2.isListed('online')
    assert.equal(entry.restart_time, 0)
    await pm2.logged(/does not have the address; retrying/)
    assert.match(
      (await pm2.run('describe', 'helloserver')).stdout,
      /10\.201\.7\.7:0 once it serves/,
    )
    await host.addAddress(`${address}/32`)
    const { listen } = await is(pm2.sandbox, 'serving')
    assert.equal(await host.ask(address, listen.port, 'hello'), 'hello\r\n')
    assert.equal((await pm2.bridge()).pm2_env.restart_time, 0)
  })

  test('the host of Redis: its name may resolve later', async (t) => {
    const redis = await RedisServer.start(t)
    const HELLOSERVER_REDIS_URL = `redis://redis.example:${redis.address.port}`
    const sandbox = new Sandbox(t, { environment: { HELLOSERVER_REDIS_URL } })
    const host = await OwnHost.make(t, { network: false })
    const { stdout } = await cliOn(host, sandbox)('start')
    assert.match(stdout, /stands by \(Redis at \S+ has a name that cannot be resolved\)/)
    host.addName('redis.example', '127.0.0.1')
    assert.equal((await is(sandbox, 'serving')).lease?.held, true)
  })
})

describe('an address that this host does not have', { concurrency: 2 }, () => {
  const allow = [/Reload failed/, /Cannot take the service over/]

  test('fails a reload and an upgrade to it, and what serves goes on', async (t) => {
    const service = await startService(t, { allow })
    service.sandbox.configure({ host: nobodys, port: service.port })
    for (const command of ['reload', 'upgrade']) {
      const { status, stderr } = await service.cli(command)
      assert.equal(status, 1, command)
      assert.match(stderr, /Cannot listen on 192\.0\.2\.1:\d+: this host does not have the address/)
      const { state, listen, waiting } = await service.status()
      assert.deepEqual([state, listen.host, waiting], ['serving', '127.0.0.1', null], command)
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n', command)
    }
  })

  test('leaves the lease to other hosts while it waits, and says why it does not serve', async (t) => {
    const hosts = await Hosts.of(t)
    const first = hosts.sandbox('one')
    first.configure({ host: nobodys, lease: { host: 'one', ttlMs: 1_500 } })
    const { stdout } = await first.cli('start')
    assert.match(stdout, /stands by \(Cannot listen on 192\.0\.2\.1:0: this host does not have/)
    const { state, waiting, lease } = await statusIn(first)
    assert.deepEqual([state, lease?.held], ['standby', false])
    assert.match(waiting?.reason ?? '', /does not have the address$/)
    const second = await hosts.start('two')
    await becomes(second, 'serving')
    assert.match((await statusIn(first)).waiting?.reason ?? '', /does not have the address$/)
    const fleet = JSON.parse((await second.cli('fleet', '--json')).stdout) as {
      hosts: { host: string; state: string }[]
    }
    assert.equal(fleet.hosts.find(({ host }) => host === 'one')?.state, 'standby')
    // A host that could not serve is none that the other has to wait for.
    first.configure({ lease: { host: 'one', ttlMs: 1_500 } })
    await reload(first)
    await waitFor('a host that waits for the lease', async () => {
      const now = await statusIn(first)
      return now.waiting === null && now.lease?.reason === 'two has it'
    })
    await second.stop()
    assert.equal((await is(first, 'serving')).lease?.held, true)
  })

  test('of a Unix socket, when its folder is not there: waits in the same way', async (t) => {
    const sandbox = new Sandbox(t)
    const folder = join(sandbox.runDir, 'mounted later')
    const path = join(folder, 'public.sock')
    sandbox.configure({ listen: [`unix:${path}`] })
    const { stdout } = await sandbox.cli('start')
    assert.match(stdout, /stands by \(Cannot listen on unix:\/.*: its folder does not exist\)/)
    mkdirSync(folder)
    await is(sandbox, 'serving')
    assert.equal(await askAt(`unix:${path}`), 'a\r\n')
  })

  test('is not ready, as load balancers see it', async (t) => {
    const sandbox = new Sandbox(t)
    const port = await freePort()
    sandbox.configure(page(sandbox, port, { host: nobodys }))
    await sandbox.start()
    const ready = await http(port, '/readyz')
    assert.deepEqual([ready.status, ready.body], [503, 'standby\n'])
    assert.equal((await http(port, '/healthz')).status, 200)
  })

  for (const [what, host, told] of [
    ['of one link without the link', 'fe80::1', /set HELLOSERVER_HOST to "fe80::1%INTERFACE"/],
    ['that is none', '256.1.1.1', /host is "256\.1\.1\.1"; it must be/],
  ] as const) {
    test(`an address ${what} is final`, async (t) => {
      const sandbox = new Sandbox(t, { config: { host }, allow: [/The start failed/] })
      const { status, stderr } = await sandbox.cli('start')
      assert.equal(status, 78, stderr)
      assert.match(stderr, told)
    })
  }

  test('a port that this user may not have is final', { skip: mayNotDrop() }, async (t) => {
    const sandbox = new Sandbox(t, { config: { port: 7 }, allow: [/The start failed/] })
    const without = ['setpriv', '--bounding-set=-net_bind_service', '--inh-caps=-all']
    const child = sandbox.spawnThrough(without, ['start'], { stdio: ['ignore', 'pipe', 'pipe'] })
    const { status, stderr } = await resultOf(child)
    assert.equal(status, 78, stderr)
    assert.match(
      stderr,
      /Cannot listen on 127\.0\.0\.1:7: permission denied; use a port above 1023/,
    )
  })
})

/** Where every port may be had anyway, or capabilities are not this user's to drop. */
function mayNotDrop(): string | false {
  const first = readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')
  if (Number(first) <= 7) return 'This machine has no privileged ports'
  return process.getuid?.() === 0 ? false : 'Only root has a capability to drop'
}
