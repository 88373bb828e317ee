import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { signalTo } from '../helpers/processes.ts'
import { cliModule, Sandbox } from '../helpers/sandbox.ts'
import { counted, type Service } from '../helpers/service.ts'
import { serviceAt, statusIn } from '../helpers/service-in.ts'
import { sizes, Terminal } from '../helpers/terminal.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** A service in the foreground of a terminal, by a command line around `run`. */
async function onTerminal(
  t: TestContext,
  around: (run: string) => string,
): Promise<{ terminal: Terminal; service: Service }> {
  const sandbox = new Sandbox(t)
  const terminal = await Terminal.open(t, sizes[0], sandbox.environment)
  terminal.run(around(`"${process.execPath}" "${cliModule}" run`))
  const status = await waitFor('a service that serves', async () => {
    const now = await statusIn(sandbox).catch(() => undefined)
    return now?.state === 'serving' ? now : undefined
  })
  return { terminal, service: serviceAt(sandbox, status.pid, status.listen.port) }
}

describe('a service in the foreground whose terminal is closed', { concurrency: 2 }, () => {
  for (const [name, around] of [
    ['in front', (run: string) => run],
    ['with its log elsewhere', (run: string) => `${run} > /dev/null 2>&1`],
  ] as const) {
    test(`${name}: reloads on HUP while the terminal is there; then serves what is in hand, and ends`, async (t) => {
      const { terminal, service } = await onTerminal(t, around)
      service.signal('SIGHUP')
      await waitFor('the reload', async () => (await service.status()).generation === 2)
      assert.equal((await service.status()).drain, null)
      const holder = await Client.connect(service.port)
      await counted(service, { active: 1 })
      terminal.close()
      await waitFor('the drain', async () => (await service.status()).drain !== null)
      await holder.send('a\r\n')
      assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
      await service.sandbox.assertNothingLeft()
    })
  }

  test('nohup: goes on', async (t) => {
    const { terminal, service } = await onTerminal(t, (run) => `cd /tmp; nohup ${run} > /dev/null`)
    terminal.close()
    await waitFor('the reload', async () => (await service.status()).generation === 2)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    signalTo(service.pid, 'SIGTERM')
    await service.sandbox.assertNothingLeft()
  })
})
