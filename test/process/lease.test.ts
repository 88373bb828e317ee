import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload, scale, tryUpgrade, upgrade } from '../helpers/commands.ts'
import { becomes, Hosts, tokenOf, ttlMs } from '../helpers/hosts.ts'
import { isStopped, signalTo } from '../helpers/processes.ts'
import { counted, type Service, startIn } from '../helpers/service.ts'
import { failing } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Answers each line with the token that it is served by; a line without "more" is the last. */
const teller = `export default {
  async handle(connection, context) {
    for await (const line of connection) {
      await connection.write(context.lease.token + '\\r\\n')
      if (!line.includes('more')) return
    }
  },
}`

/** Answers at its signal's end, or what the client sent. */
const patient = `import { appendFileSync } from 'node:fs'
export default {
  async handle(connection) {
    connection.signal.addEventListener('abort', () => {
      appendFileSync(recordFile, connection.signal.reason.code + '\\n')
    })
    await connection.write((await connection.readLine()) ?? '')
  },
}`

const scaleToTwo = (host: Service) => scale(host, 2)

const lost = { allow: [/Lost the lease/] }

describe('lease', { concurrency: 2 }, () => {
  test('one host serves; the other stands by, says for whom, and does not listen', async (t) => {
    const hosts = await Hosts.of(t)
    const first = await hosts.start('one')
    const second = hosts.sandbox('two')
    const { status, stdout } = await second.cli('start')
    assert.equal(status, 0)
    assert.match(stdout, /^helloserver stands by \(one has it\) as process \d+\n$/)
    const human = (await second.cli('status')).stdout
    assert.match(human, /^state +standby/m)
    assert.match(human, /^lease +held by one since \S+/m)
    assert.match((await first.cli('status')).stdout, /^lease +held with token \d+/m)
    const { lease } = await first.status()
    assert.equal(lease?.held, true)
    assert.ok((lease.validForMs ?? 0) > 0 && (lease.validForMs ?? 0) <= ttlMs)
  })

  test('a stop hands over at once, with a higher token, which handlers are given', async (t) => {
    const hosts = await Hosts.of(t, { app: teller })
    const first = await hosts.start('one')
    const second = await hosts.start('two')
    const token = tokenOf(await first.status())
    assert.equal((await ask(first.port, 'a\r\n')).text, `${token}\r\n`)
    await first.stop()
    const { listen, ...status } = await becomes(second, 'serving')
    assert.ok(tokenOf(status as never) > token)
    assert.equal((await ask(listen.port, 'a\r\n')).text, `${tokenOf(status as never)}\r\n`)
  })

  test('the lease is given back when the hand-out has ended, not when all is done', async (t) => {
    const hosts = await Hosts.of(t, { app: teller })
    const first = await hosts.start('one')
    const second = await hosts.start('two')
    const token = tokenOf(await first.status())
    const client = await Client.connect(first.port)
    await counted(first, { active: 1 })
    first.signal('SIGUSR1')
    const { listen } = await becomes(second, 'serving')
    assert.equal((await first.status()).state, 'draining')
    await ask(listen.port, 'a\r\n')
    // What is in hand is still served by the leave that it was begun with.
    await client.send('a\r\n')
    assert.equal((await client.ending()).text, `${token}\r\n`)
    await first.sandbox.assertNothingLeft()
  })

  test('reload, scale and upgrade keep the lease and its token', async (t) => {
    const hosts = await Hosts.of(t, { app: teller })
    const host = await hosts.start('one')
    const standby = await hosts.start('two')
    const token = tokenOf(await host.status())
    for (const act of [reload, scaleToTwo, upgrade, upgrade, reload]) {
      await act(host)
      const { listen, ...status } = await host.status()
      assert.equal(tokenOf(status as never), token, act.name)
      assert.equal((await ask(listen.port, 'a\r\n')).text, `${token}\r\n`)
      assert.equal((await standby.status()).state, 'standby')
    }
  })

  test('a host that stands by can be reloaded, scaled and upgraded', async (t) => {
    const hosts = await Hosts.of(t)
    const first = await hosts.start('one')
    const second = await hosts.start('two')
    for (const act of [reload, scaleToTwo, upgrade, reload]) {
      await act(second)
      assert.equal((await second.status()).state, 'standby')
    }
    await first.stop()
    const { listen, events } = await becomes(second, 'serving')
    assert.equal((await ask(listen.port, 'a\r\n')).text, 'a\r\n')
    // It was upgraded long ago.
    assert.equal(events.at(-1)?.kind, 'started')
  })

  test('an upgrade that fails on a host that stands by says why, and it goes on standing by', async (t) => {
    const hosts = await Hosts.of(t, failing)
    const first = await hosts.start('one')
    const second = await hosts.start('two')
    second.sandbox.writeApp('throw new Error("a broken build")')
    const { outcome, reason } = await tryUpgrade(second)
    assert.equal(outcome, 'failed')
    assert.match(reason ?? '', /a broken build/)
    const { pid, state } = await second.status()
    assert.deepEqual([pid, state], [second.pid, 'standby'])
    await first.stop()
    await becomes(second, 'serving')
  })

  test('when a primary is killed, a standby takes over with a higher token', async (t) => {
    const hosts = await Hosts.of(t)
    const first = await hosts.start('one')
    const second = await hosts.start('two')
    const token = tokenOf(await first.status())
    first.signal('SIGKILL')
    assert.ok(tokenOf(await becomes(second, 'serving')) > token)
    await startIn(first.sandbox)
    assert.equal((await first.status()).lease?.holder, 'two')
  })

  test('a host that is started again after a crash need not wait its own lease out', async (t) => {
    const hosts = await Hosts.of(t, { lease: { ttlMs: 600_000 } })
    const first = await hosts.start('one')
    const token = tokenOf(await first.status())
    first.signal('SIGKILL')
    await waitFor('the end of its workers', () => first.sandbox.processes().length === 0)
    assert.ok(tokenOf(await (await startIn(first.sandbox)).status()) > token)
  })

  test('without Redis it stands down by its deadline, finishes what it has, and comes back', async (t) => {
    const hosts = await Hosts.of(t, { ...lost, app: teller })
    const host = await hosts.start('one')
    const token = tokenOf(await host.status())
    const client = await Client.connect(host.port)
    await client.send('more\r\n')
    await client.receives(`${token}\r\n`)
    const waiting = await Client.connect(host.port)
    await counted(host, { queued: 1 })
    await hosts.redis.pause()
    const { lease } = await becomes(host, 'standby')
    assert.match(lease?.reason ?? '', /does not answer in time/)
    // Who waited goes to the next host; who was served is served.
    assert.deepEqual((await waiting.ending()).text, '')
    await counted(host, { shed: 1, active: 1 })
    assert.equal((await ask(host.port, 'a\r\n')).how, 'refused')
    await client.send('a\r\n')
    assert.equal((await client.ending()).text, `${token}\r\n${token}\r\n`)
    hosts.redis.resume()
    assert.ok(tokenOf(await becomes(host, 'serving')) > token)
  })

  test('a host that stands by says again who has the lease, once Redis is back', async (t) => {
    // Longer than the pause, or it would change hands.
    const hosts = await Hosts.of(t, { lease: { ttlMs: 60_000 } })
    await hosts.start('one')
    const second = await hosts.start('two')
    const lastReason = async () => {
      const standby = (await second.status()).events.findLast(({ kind }) => kind === 'standby')
      return String(standby?.['reason'])
    }
    assert.equal(await lastReason(), 'one has the lease')
    await hosts.redis.pause()
    await waitFor('trouble', async () => /does not answer/.test(await lastReason()))
    hosts.redis.resume()
    await waitFor('its end', async () => (await lastReason()) === 'one has the lease')
  })

  test('with lease.onLoss "abort" what is in hand ends with the lease', async (t) => {
    const hosts = await Hosts.of(t, { ...lost, app: patient, lease: { onLoss: 'abort' } })
    const host = await hosts.start('one')
    const client = await Client.connect(host.port)
    await counted(host, { active: 1 })
    await hosts.redis.pause()
    assert.equal((await client.ending()).text, '')
    assert.equal(host.sandbox.record, 'LEASE_LOST\n')
    await becomes(host, 'standby')
    await counted(host, { failed: 1, active: 0 })
    hosts.redis.resume()
    await becomes(host, 'serving')
  })

  test('after a pause nothing is handed out that another host may have', async (t) => {
    const hosts = await Hosts.of(t, { ...lost, app: teller })
    const first = await hosts.start('one')
    const second = await hosts.start('two')
    signalTo(first.pid, 'SIGSTOP')
    await waitFor('the pause', () => isStopped(first.pid))
    // The system takes them in, for a process that cannot.
    const clients = await Promise.all([1, 2, 3].map(() => Client.connect(first.port)))
    for (const client of clients) await client.send('a\r\n')
    await becomes(second, 'serving')
    signalTo(first.pid, 'SIGCONT')
    for (const client of clients) assert.equal((await client.ending()).text, '')
    await becomes(first, 'standby')
    assert.equal((await first.status()).connections.served, 0)
  })

  test('a host that cannot listen leaves the lease to others, and says why', async (t) => {
    const hosts = await Hosts.of(t)
    const first = await hosts.start('one')
    const second = hosts.sandbox('two')
    second.configure({ port: hosts.redis.address.port, lease: { host: 'two', ttlMs } })
    await second.start()
    const third = await hosts.start('three')
    await first.stop()
    await becomes(third, 'serving')
    await third.stop()
    await second.logged(/another program has it; .*; trying again until it can/)
    assert.match((await second.cli('status')).stdout, /^state +(standby|binding)/m)
  })

  test('with slots so many hosts serve, each in a slot of its own', async (t) => {
    const hosts = await Hosts.of(t, { app: teller, lease: { mode: 'slots', slots: 2 } })
    const [first, second, third] = [
      await hosts.start('one'),
      await hosts.start('two'),
      await hosts.start('three'),
    ]
    const states = async () =>
      Promise.all([first, second, third].map(async (host) => (await host.status()).state))
    assert.deepEqual(await states(), ['serving', 'serving', 'standby'])
    const slots = [(await first.status()).lease?.slot, (await second.status()).lease?.slot]
    assert.deepEqual(new Set(slots), new Set([1, 2]))
    assert.match((await third.status()).lease?.reason ?? '', /^(one, two|two, one) have it$/)
    await first.stop()
    assert.equal((await becomes(third, 'serving')).lease?.slot, slots[0])
  })

  test('settings that differ from the fleet are refused at the start', async (t) => {
    const hosts = await Hosts.of(t, { allow: [/The start failed/] })
    await hosts.start('one')
    const second = hosts.sandbox('two')
    second.configure({ lease: { host: 'two', ttlMs: 5_000 } })
    const { status, stderr } = await second.cli('start')
    assert.equal(status, 78)
    assert.match(
      stderr,
      /lease\.ttlMs is 5000 here and 1500 in the fleet \(set by one\); it must be the same/,
    )
  })

  test('a worker is not told where Redis is, nor is that of a successor', async (t) => {
    const app = `export default {
      handle: (connection) => connection.write(String(process.env.HELLOSERVER_REDIS_URL)),
    }`
    const hosts = await Hosts.of(t, { app })
    const host = await hosts.start('one')
    assert.equal((await ask(host.port, '')).text, 'undefined')
    await upgrade(host)
    assert.equal((await ask(host.port, '')).text, 'undefined')
    assert.equal((await host.status()).lease?.held, true)
  })

  test('with the mode "off" every host serves', async (t) => {
    const hosts = await Hosts.of(t, { lease: { mode: 'off' } })
    const services = [await hosts.start('one'), await hosts.start('two')]
    for (const host of services) {
      const { state, lease } = await host.status()
      assert.deepEqual([state, lease], ['serving', null])
    }
  })
})
