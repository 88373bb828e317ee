import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload, scale, stop, tryUpgrade, upgrade } from '../helpers/commands.ts'
import { becomes, Hosts, tokenOf, ttlMs } from '../helpers/hosts.ts'
import { isStopped, signalTo } from '../helpers/processes.ts'
import { counted, type Service, startIn } from '../helpers/service.ts'
import { serviceAt, statusIn } from '../helpers/service-in.ts'
import { failing } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/**
 * Answers each line with the token by which it is served, and one with "redis" with the Redis URL that the worker knows;
 * a line without "more" is the last.
 */
const teller = `export default {
  async handle(connection, context) {
    for await (const line of connection) {
      const told = line.includes('redis') ? process.env.HELLOSERVER_REDIS_URL : context.lease.token
      await connection.write(told + '\\r\\n')
      if (!line.includes('more')) return
    }
  },
}`

/** Answers with the client's line, or when the signal is aborted. */
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

/** Expects that a host serves by this token, and that its workers do not know the Redis URL. */
async function tells(host: Service, token: number, act: string): Promise<void> {
  const { listen, ...status } = await host.status()
  assert.equal(tokenOf(status as never), token, act)
  assert.equal((await ask(listen.port, 'a\r\n')).text, `${token}\r\n`, act)
  assert.equal((await ask(listen.port, 'redis\r\n')).text, 'undefined\r\n', act)
}

/** Kills a host's current primary, and waits until its workers are gone, too. */
async function crash(host: Service): Promise<void> {
  signalTo((await host.status()).pid, 'SIGKILL')
  await host.sandbox.allEnded()
}

describe('lease', { concurrency: 2 }, () => {
  test('one host serves, and the other stands by', async (t) => {
    const allow = [...failing.allow, /The start failed/]
    const hosts = await Hosts.of(t, { app: teller, allow })
    const first = await hosts.start('one')
    const second = hosts.sandbox('two')

    await t.test('and says for whom, and does not listen', async () => {
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
    const standby = serviceAt(second, (await statusIn(second)).pid, 0)

    await t.test('settings that differ from the fleet are refused at the start', async () => {
      const other = hosts.sandbox('other')
      other.configure({ lease: { host: 'other', ttlMs: 5_000 } })
      const { status, stderr } = await other.cli('start')
      assert.equal(status, 78)
      assert.match(
        stderr,
        /lease\.ttlMs is 5000 here and 1500 in the fleet \(set by one\); it must be the same/,
      )
    })
    await keepsAndHandsOver(t, first, standby)
  })

  /** Operations on a host that has the lease and on one that stands by, until each has ended once. */
  async function keepsAndHandsOver(t: TestContext, first: Service, second: Service): Promise<void> {
    const token = tokenOf(await first.status())
    await t.test('reload, scale and upgrade keep the lease, its token and its secret', async () => {
      await tells(first, token, 'start')
      for (const act of [scaleToTwo, upgrade, upgrade, reload]) {
        await act(first)
        await tells(first, token, act.name)
        assert.equal((await second.status()).state, 'standby')
      }
    })
    await t.test('a host that stands by can be reloaded, scaled and upgraded', async () => {
      for (const act of [scaleToTwo, upgrade, reload]) {
        await act(second)
        assert.equal((await second.status()).state, 'standby')
      }
    })
    await t.test('an upgrade that fails there says why, and it goes on standing by', async () => {
      const before = await second.status()
      second.sandbox.writeApp('throw new Error("a broken build")')
      const { outcome, reason } = await tryUpgrade(second)
      second.sandbox.writeApp(teller)
      assert.equal(outcome, 'failed')
      assert.match(reason ?? '', /a broken build/)
      const { pid, state } = await second.status()
      assert.deepEqual([pid, state], [before.pid, 'standby'])
    })
    await t.test(
      'a stop gives the lease back at once when the hand-out has ended, not when all is done',
      async () => {
        const client = await Client.connect(first.port)
        await counted(first, { active: 1 })
        signalTo((await first.status()).pid, 'SIGUSR1')
        const serving = await becomes(second, 'serving')
        assert.equal((await first.status()).state, 'draining')
        assert.ok(tokenOf(serving) > token)
        // It was upgraded long ago.
        assert.equal(serving.events.at(-1)?.kind, 'started')
        await tells(second, tokenOf(serving), 'takeover')
        // An active connection keeps the token that it was begun with.
        await client.send('a\r\n')
        assert.equal((await client.ending()).text, `${token}\r\n`)
        await first.sandbox.assertNothingLeft()
      },
    )
    await t.test('when a primary is killed, a standby takes over with a higher token', async () => {
      await startIn(first.sandbox)
      const { pid, ...status } = await second.status()
      signalTo(pid, 'SIGKILL')
      assert.ok(tokenOf(await becomes(first, 'serving')) > tokenOf(status as never))
      await startIn(second.sandbox)
      assert.equal((await second.status()).lease?.holder, 'one')
    })
  }

  test('with a lease that nobody can wait out', async (t) => {
    // Longer than the pause, or another host would acquire the lease.
    const hosts = await Hosts.of(t, { lease: { ttlMs: 60_000 } })
    const first = await hosts.start('one')
    await t.test('a host that is started again after a crash takes it at once', async () => {
      const token = tokenOf(await first.status())
      await crash(first)
      assert.ok(tokenOf(await (await startIn(first.sandbox)).status()) > token)
    })
    await t.test('a host that stands by says again who has it, once Redis is back', async () => {
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
  })

  test('a host that loses the lease', async (t) => {
    const hosts = await Hosts.of(t, { ...lost, app: teller })
    const first = await hosts.start('one')
    const second = await hosts.start('two')
    await t.test('in a pause hands nothing out that another host may have', async () => {
      signalTo(first.pid, 'SIGSTOP')
      await waitFor('the pause', () => isStopped(first.pid))
      // The system accepts them, since the process cannot.
      const clients = await Promise.all([1, 2, 3].map(() => Client.connect(first.port)))
      for (const client of clients) await client.send('a\r\n')
      await becomes(second, 'serving')
      signalTo(first.pid, 'SIGCONT')
      for (const client of clients) assert.equal((await client.ending()).text, '')
      await becomes(first, 'standby')
      assert.equal((await first.status()).connections.served, 0)
    })
    await first.stop()
    await t.test('because Redis is away stands down, finishes what it has, and comes back', () =>
      standsDown(hosts, second),
    )
    await t.test('with lease.onLoss "abort" ends what is in hand with it', async () => {
      second.sandbox.writeApp(patient)
      second.sandbox.configure({ lease: { host: 'two', ttlMs, onLoss: 'abort' } })
      await reload(second)
      await abortsAtItsLoss(hosts, second)
    })
    await t.test('to others because it cannot listen says why', async () => {
      const blocked = first.sandbox
      blocked.configure({ port: hosts.redis.address.port, lease: { host: 'one', ttlMs } })
      await blocked.start()
      const third = await hosts.start('three')
      await stop(second)
      await becomes(third, 'serving')
      await third.stop()
      await blocked.logged(/another program uses it; .*; retrying/)
      assert.match((await blocked.cli('status')).stdout, /^state +(standby|binding)/m)
    })
  })

  async function standsDown({ redis }: Hosts, host: Service): Promise<void> {
    const { listen, connections, ...status } = await host.status()
    const token = tokenOf(status as never)
    const client = await Client.connect(listen.port)
    await client.send('more\r\n')
    await client.receives(`${token}\r\n`)
    const waiting = await Client.connect(listen.port)
    await counted(host, { queued: 1 })
    await redis.pause()
    const { lease } = await becomes(host, 'standby')
    assert.match(lease?.reason ?? '', /does not answer in time/)
    // Waiting clients go to the next host; active ones are served to the end.
    assert.deepEqual((await waiting.ending()).text, '')
    await counted(host, { shed: connections.shed + 1, active: 1 })
    assert.equal((await ask(listen.port, 'a\r\n')).how, 'refused')
    await client.send('a\r\n')
    assert.equal((await client.ending()).text, `${token}\r\n${token}\r\n`)
    redis.resume()
    assert.ok(tokenOf(await becomes(host, 'serving')) > token)
  }

  async function abortsAtItsLoss({ redis }: Hosts, host: Service): Promise<void> {
    const { listen, connections } = await becomes(host, 'serving')
    const client = await Client.connect(listen.port)
    await counted(host, { active: 1 })
    await redis.pause()
    assert.equal((await client.ending()).text, '')
    assert.equal(host.sandbox.record, 'LEASE_LOST\n')
    await becomes(host, 'standby')
    await counted(host, { failed: connections.failed + 1, active: 0 })
    redis.resume()
    await becomes(host, 'serving')
  }

  test('with slots so many hosts serve, each in a slot of its own', async (t) => {
    const hosts = await Hosts.of(t, { lease: { mode: 'slots', slots: 2 } })
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

  test('with the mode "off" every host serves', async (t) => {
    const hosts = await Hosts.of(t, { lease: { mode: 'off' } })
    const services = [await hosts.start('one'), await hosts.start('two')]
    for (const host of services) {
      const { state, lease } = await host.status()
      assert.deepEqual([state, lease], ['serving', null])
    }
  })
})
