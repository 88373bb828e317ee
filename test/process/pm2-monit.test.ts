import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { tryUpgrade } from '../helpers/commands.ts'
import { counted } from '../helpers/service.ts'
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

describe('what pm2 shows', { concurrency: 2 }, () => {
  for (const [size, rows] of [
    [sizes[0], 4],
    [sizes[1], 6],
  ] as const) {
    test(`pm2 monit at ${size.columns} by ${size.rows} cuts nothing vital`, async (t) => {
      const pm2 = new Pm2(t, { config: { workers: 2 } })
      const service = await pm2.start()
      await pm2.do('reload', 'helloserver')
      const clients = []
      for (const queued of [0, 0, 1, 2]) {
        clients.push(await Client.connect(service.port))
        await counted(service, { queued })
      }
      const terminal = await Terminal.open(t, size, pm2.commandEnvironment)
      terminal.run(pm2.commandLine('monit'))
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
      for (const client of clients) client.reset()
      terminal.press('C-c')
      await terminal.shows(/ready> ?$/m)
    })
  }

  test('pm2 describe has what a person looks for, pm2 ls the memory of the primary', async (t) => {
    const pm2 = new Pm2(t)
    const { pid, port } = await pm2.start()
    const described = await waitFor('a description', async () => {
      const { stdout } = await pm2.run('describe', 'helloserver')
      return stdout.includes('Listens on') ? stdout : undefined
    })
    assert.match(described, new RegExp(`Listens on.*127\\.0\\.0\\.1:${port} `))
    assert.match(described, new RegExp(`Primary.*process ${pid}, ${pm2.sandbox.pidFile}`))
    assert.match(described, /Memory.*\d+ MB in 2 processes/)
    assert.match(described, /Last reload.*none/)
    const { pm2_env } = await pm2.bridge()
    assert.equal(pm2_env.axm_options.pid, pid)
    assert.deepEqual(
      pm2_env.axm_actions.map((action) => action.action_name),
      ['status', 'workers', 'reload', 'scale', 'drain', 'log-level'],
    )
    // After an upgrade it is another process.
    assert.equal((await tryUpgrade(pm2.sandbox)).outcome, 'done')
    const next = (await pm2.status()).pid
    await waitFor('the next primary', async () => {
      const bridge = await pm2.bridge()
      return bridge.pm2_env.axm_options.pid === next
    })
  })
})
