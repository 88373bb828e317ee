import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { Client } from '../helpers/client.ts'
import { reload, upgrade } from '../helpers/commands.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { counted, type Service } from '../helpers/service.ts'
import { sizes, Terminal } from '../helpers/terminal.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** The pane of custom metrics on a screen of `pm2 monit`: each row without the frame and the blanks. */
function metrics(screen: string): string[] {
  const lines = screen.split('\n')
  const top = lines.findIndex((line) => line.includes('Custom Metrics'))
  return lines
    .slice(top + 1)
    .map((line) => /^│(.*?)│/.exec(line)?.[1]?.trim() ?? '')
    .filter((row) => row !== '')
}

test('the service in pm2', async (t) => {
  const pm2 = new Pm2(t, { config: { workers: 2 } })
  const service = await pm2.start()

  await t.test('pm2 describe has what a person looks for', () => describes(pm2, service))

  await reload(service)
  const clients: Client[] = []
  for (const queued of [0, 0, 1, 2]) {
    clients.push(await Client.connect(service.port))
    await counted(service, { queued })
  }
  for (const [size, rows] of [
    [sizes[0], 4],
    [sizes[1], 6],
  ] as const) {
    await t.test(
      `pm2 monit at ${size.columns} by ${size.rows} cuts nothing vital`,
      async (inner) => {
        const terminal = await monitor(inner, pm2, size)
        await terminal.shows(/Queue +2 /)
        const shown = metrics(terminal.screen)
        const expected = [
          /^Now +serving g2$/,
          /^Busy +2\/2$/,
          /^Queue +2$/,
          /^Conn\/s +0$/,
          /^p99 +-$/,
          /^Reload +done \d+ m?s$/,
        ]
        assert.equal(shown.length, rows, terminal.screen)
        for (const [at, row] of shown.entries()) assert.match(row, expected[at] ?? /never/)
        terminal.press('C-c')
        await terminal.shows(/ready> ?$/m)
      },
    )
  }
  for (const client of clients) client.reset()

  await t.test('pm2 ls has the memory of the primary, after an upgrade of the next', async () => {
    const measured = async () => (await pm2.bridge()).pm2_env.axm_options.pid
    assert.equal(await measured(), service.pid)
    await upgrade(service)
    const { pid } = await pm2.status()
    assert.notEqual(pid, service.pid)
    await waitFor('the next primary', async () => (await measured()) === pid)
  })
})

async function monitor(t: TestContext, pm2: Pm2, size: (typeof sizes)[number]): Promise<Terminal> {
  const terminal = await Terminal.open(t, size, pm2.commandEnvironment)
  terminal.run(pm2.commandLine('monit'))
  return terminal
}

async function describes(pm2: Pm2, { pid, port }: Service): Promise<void> {
  await waitFor('a description', async () => (await pm2.bridge()).pm2_env.axm_options.human_info)
  const { stdout: described } = await pm2.run('describe', 'helloserver')
  assert.match(described, new RegExp(`Listens on.*127\\.0\\.0\\.1:${port} `))
  assert.match(described, new RegExp(`Primary.*process ${pid}, ${pm2.sandbox.pidFile}`))
  assert.match(described, /Memory.*\d+ MB in 3 processes/)
  assert.match(described, /Last reload.*none/)
  const { pm2_env } = await pm2.bridge()
  assert.deepEqual(
    pm2_env.axm_actions.map((action) => action.action_name),
    ['status', 'workers', 'reload', 'scale', 'drain', 'log-level'],
  )
}
