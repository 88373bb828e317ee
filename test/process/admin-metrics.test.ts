import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, type TestContext, test } from 'node:test'
import { http, page } from '../helpers/admin.ts'
import { ask } from '../helpers/client.ts'
import { tryReload } from '../helpers/commands.ts'
import { freePort } from '../helpers/free-port.ts'
import { Load } from '../helpers/load.ts'
import { promtool } from '../helpers/promtool.ts'
import { Sandbox, type SandboxOptions } from '../helpers/sandbox.ts'
import { counted, startIn } from '../helpers/service.ts'
import { upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

const monitoring = new URL('../../../docs/monitoring/', import.meta.url)
const file = (name: string) => readFileSync(new URL(name, monitoring), 'utf8')

async function withMetrics(t: TestContext, options?: SandboxOptions) {
  const sandbox = new Sandbox(t, options)
  const port = await freePort()
  sandbox.configure(page(sandbox, port, options?.config))
  const service = await startIn(sandbox)
  const scrape = async () => (await http(port, '/metrics')).body
  return { service, sandbox, port, scrape }
}

/** The value of one line of a scrape. */
function valueOf(text: string, series: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  assert.ok(line !== undefined, `${series} is missing`)
  return Number(line.slice(series.length))
}

const outcomes = ['served', 'failed', 'shed', 'expired', 'gone']

describe('metrics', { concurrency: 2 }, () => {
  test('of a service', async (t) => {
    const { service, scrape, port } = await withMetrics(t, {
      config: { queue: { max: 2 } },
      allow: [/Reload failed/],
    })

    await t.test('count a client, a reload and the death of a worker once', async () => {
      await ask(service.port, 'a\r\n')
      await counted(service, { served: 1 })
      await tryReload(service)
      const before = await scrape()
      for (const series of [
        'helloserver_connections_accepted_total',
        'helloserver_connection_handling_seconds_count',
        'helloserver_connection_wait_seconds_bucket{le="+Inf"}',
        'helloserver_reloads_total{outcome="done"}',
        'helloserver_last_reload_successful',
      ]) {
        assert.equal(valueOf(before, series), 1, series)
      }
      // One that the reload has replaced may still be on its way out, and its death is no restart.
      const { workers, generation } = await service.status()
      const current = workers.find((worker) => worker.generation === generation)
      process.kill(current?.pid ?? 0, 'SIGKILL')
      await waitFor('the restart', async () => {
        return valueOf(await scrape(), 'helloserver_worker_restarts_total{cause="signal"}') === 1
      })
      service.sandbox.writeApp(`throw new Error('no')`)
      await tryReload(service)
      const after = await scrape()
      assert.equal(valueOf(after, 'helloserver_reloads_total{outcome="failed"}'), 1)
      assert.equal(valueOf(after, 'helloserver_last_reload_successful'), 0)
      service.sandbox.writeApp()
    })

    await t.test('have no client in them', async () => {
      await ask(service.port, 'a\r\n')
      assert.doesNotMatch(
        (await scrape()).replace(/^#.*$/gm, ''),
        /127\.0\.0\.1|remote|client(?!-)/,
      )
    })

    await t.test('are all in the documentation; rules and dashboard use no others', async () => {
      const there = new Set((await scrape()).match(/^# TYPE (\S+)/gm)?.map((line) => line.slice(7)))
      // Without Redis there is no lease, but there are its names.
      const documented = readFileSync(new URL('../monitoring.md', monitoring), 'utf8')
      for (const name of there) assert.ok(documented.includes(`\`${name}\``), name)
      const used = `${file('alerts.yml')}${file('grafana-dashboard.json')}`
      for (const [name] of used.matchAll(/\b(helloserver|process|nodejs)_[a-z_]+/g)) {
        assert.ok(there.has(name.replace(/_bucket$/, '')), `${name} is not there`)
      }
    })

    await t.test('go on over an upgrade', async () => {
      const { served } = (await counted(service, { active: 0 })).connections
      assert.ok(served > 0)
      await upgrade(service)
      const text = await waitFor('a scrape', () => scrape().catch(() => undefined))
      assert.equal(valueOf(text, 'helloserver_connections_ended_total{outcome="served"}'), served)
      assert.equal(valueOf(text, 'helloserver_reloads_total{outcome="done"}'), 2)
    })

    await t.test('are what Prometheus expects, and add up in each scrape', async () => {
      const { headers } = await http(port, '/metrics')
      assert.match(String(headers['content-type']), /^text\/plain; version=0.0.4/)
      const load = new Load(service.port, 8, () => true)
      for (let times = 0; times < 20; times += 1) {
        const text = await scrape()
        const ended = outcomes.map((outcome) =>
          valueOf(text, `helloserver_connections_ended_total{outcome="${outcome}"}`),
        )
        const open = ['queued', 'active'].map((what) =>
          valueOf(text, `helloserver_connections_${what}`),
        )
        const sum = [...ended, ...open].reduce((total, count) => total + count, 0)
        assert.equal(valueOf(text, 'helloserver_connections_accepted_total'), sum)
      }
      await load.stop()
      const { stdout, stderr, status } = promtool(['check', 'metrics'], await scrape())
      assert.deepEqual([status, stdout, stderr], [0, '', ''])
    })
  })

  test('the rules for alerts are right', () => {
    const check = (...args: string[]) => promtool(args, '', monitoring)
    const rules = check('check', 'rules', 'alerts.yml')
    assert.equal(rules.status, 0, rules.stdout + rules.stderr)
    const tests = check('test', 'rules', 'alerts.test.yml')
    assert.equal(tests.status, 0, tests.stdout + tests.stderr)
  })
})
