import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { scale, tryReload } from '../helpers/commands.ts'
import { signalTo } from '../helpers/processes.ts'
import { counted, type Service, startService } from '../helpers/service.ts'
import { held, upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

const kindsOf = async (service: Service) => (await service.status()).events.map(({ kind }) => kind)

/** Waits for an event of a kind that is the last one. */
const lastEvent = (service: Service, kind: string) =>
  waitFor(`the event ${kind}`, async () => {
    const last = (await service.status()).events.at(-1)
    return last?.kind === kind ? last : undefined
  })

/** What an app does to its worker, and how that is counted. */
const ills = [
  ['exit', 'process.exit(3)', {}],
  ['signal', "process.kill(process.pid, 'SIGSEGV'); await new Promise(() => {})", {}],
  ['hung', 'for (;;);', { watchdog: { heartbeatMs: 50, hungAfterMs: 300 } }],
  ['out-of-memory', 'const kept = []; for (;;) kept.push(new Array(1_000).fill(kept.length))', {}],
] as const

describe('events', { concurrency: 2 }, () => {
  test('of a service', async (t) => {
    const config = { queue: { max: 0 } }
    const service = await startService(t, { config, allow: [/Reload failed/] })

    await t.test(
      'say what happened, in the words of the log, and people see the last of them',
      async () => {
        await scale(service, 2)
        await tryReload(service)
        service.sandbox.configure({ workers: 'many' })
        await tryReload(service)
        service.sandbox.configure(config)
        await tryReload(service)
        const pid = await waitFor('the new worker alone', async () => {
          const { workers, generation } = await service.status()
          const [worker, ...others] = workers
          return others.length === 0 && worker?.generation === generation ? worker.pid : undefined
        })
        signalTo(pid, 'SIGKILL')
        const died = await lastEvent(service, 'worker-died')
        assert.equal(died['cause'], 'killed by SIGKILL')
        const kinds = [
          'started',
          'scaled',
          'reload-begun',
          'reload-done',
          'reload-begun',
          'reload-failed',
          'reload-begun',
          'reload-done',
          'worker-died',
        ]
        const { events } = await service.status()
        assert.deepEqual(
          events.map(({ kind }) => kind),
          kinds,
        )
        assert.deepEqual(
          events.map(({ seq }) => seq),
          kinds.map((_, at) => at + 1),
        )
        for (const { kind, text } of events) {
          const quoted = JSON.stringify(text).slice(1, -1)
          const lines = service.log().split('\n')
          assert.ok(
            lines.some((line) => line.includes(`"kind":"${kind}"`) && line.includes(quoted)),
            text,
          )
        }
        assert.match(String(events[5]?.['reason']), /workers is "many"/)
        assert.equal(events[5]?.['step'], 'configuration')
        const { stdout } = await service.cli('status')
        assert.equal(stdout.match(/^\d{4}-.*$/gm)?.length, 5)
        assert.match(stdout, /Worker 1 died \(killed by SIGKILL\); starting another\n$/)
      },
    )

    await t.test('and figures go on over an upgrade', async () => {
      // There is no queue: without a worker, the client would be turned away.
      await waitFor('the next worker', async () => {
        const { workers } = await service.status()
        return workers.every(({ state }) => state === 'idle')
      })
      assert.equal((await ask(service.port, 'one\r\n')).text, 'one\r\n')
      await counted(service, { served: 1 })
      assert.notEqual((await service.status()).rates.handlingMs, null)
      const { events: before } = await service.status()
      const { events, pid } = await upgrade(service)
      assert.deepEqual(
        events.map(({ seq, kind }) => [seq, kind]),
        [
          ...before.map(({ seq, kind }) => [seq, kind]),
          [before.length + 1, 'reload-begun'],
          [before.length + 2, 'upgraded'],
        ],
      )
      assert.equal(events.at(-1)?.['primaryPid'], pid)
      await ask(service.port, 'two\r\n')
      await counted(service, { served: 2 })
      const { rates } = await service.status()
      assert.ok((rates.handlingMs?.p99 ?? 0) > 0)
      assert.ok((rates.waitMs?.p99 ?? -1) >= 0)
    })

    await t.test('tell of shedding once, and of a drain', async () => {
      const { events: before, pid } = await service.status()
      const client = await held(service)
      await Promise.all([1, 2, 3].map(() => ask(service.port, 'x\r\n')))
      await counted(service, { shed: 3 })
      signalTo(pid, 'SIGUSR1')
      await lastEvent(service, 'draining')
      assert.deepEqual((await kindsOf(service)).slice(before.length), [
        'shedding-began',
        'draining',
      ])
      await client.send('bye\r\n')
      await client.ending()
    })
  })

  for (const [restartCause, ill, config] of ills) {
    test(`name the cause of a worker's death: ${restartCause}`, async (t) => {
      const app = `export default { async handle(connection) { ${ill} } }`
      const allow = [/Killing a worker/, /"stream":"stderr"/]
      // A heap that is full before the watchdog finds that the event loop does not turn.
      const environment = { NODE_OPTIONS: '--max-old-space-size=64' }
      const service = await startService(t, { app, config, allow, environment })
      await ask(service.port, 'x\r\n')
      assert.equal((await lastEvent(service, 'worker-died'))['restartCause'], restartCause)
    })
  }
})
