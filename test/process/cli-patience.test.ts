import assert from 'node:assert/strict'
import { once } from 'node:events'
import { relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { resultOf, Sandbox } from '../helpers/sandbox.ts'
import { startService } from '../helpers/service.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** Apps that would leave `check` without a verdict, and what it says of them. */
const unruly: readonly (readonly [app: string, told: RegExp])[] = [
  ['process.exit(0)', /^helloserver: The app \S+ ended the process while it loaded\n$/],
  ['process.exit(3)', /^helloserver: The app \S+ ended the process while it loaded\n$/],
  ['await new Promise(() => {})', /^helloserver: The app \S+ did not load within 500 ms\n$/],
  [
    'setInterval(() => {}, 10); await new Promise(() => {})',
    /^helloserver: The app \S+ did not load within 500 ms\n$/,
  ],
]

/** Starts a command whose output nobody reads. */
function unread(sandbox: Sandbox, ...args: string[]): Promise<{ status: number; stderr: string }> {
  const child = sandbox.spawn(args, { stdio: ['ignore', 'pipe', 'pipe'] })
  assert.ok(child.stdout !== null && child.stderr !== null)
  child.stdout.destroy()
  const ended = Promise.all([once(child, 'exit'), text(child.stderr)])
  return ended.then(([[status], stderr]) => ({ status: Number(status), stderr }))
}

describe('commands end, whatever they meet', { concurrency: 2 }, () => {
  for (const [app, told] of unruly) {
    test(`check of an app with "${app}"`, async (t) => {
      const isHanging = told.source.includes('500 ms')
      const config = { reload: { readyTimeoutMs: isHanging ? 500 : 600_000 } }
      const sandbox = new Sandbox(t, { config, app: `${app}\nexport default { handle() {} }\n` })
      const { status, stdout, stderr } = await sandbox.cli('check')
      assert.deepEqual([status, stdout], [1, ''])
      assert.match(stderr, told)
    })
  }

  test('check of such an app, for programs', async (t) => {
    const app = 'process.exit(0)\nexport default { handle() {} }\n'
    const { stdout } = await new Sandbox(t, { app }).cli('check', '--json')
    assert.equal(JSON.parse(stdout).error.code, 'APP_FAILED')
  })

  test('check of an app that goes on in the background', async (t) => {
    const app = 'setInterval(() => {}, 10)\nexport default { handle() {} }\n'
    const { status, stdout, stderr } = await new Sandbox(t, { app }).cli('check')
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, / is good, and the app \S+ loads\n$/)
  })

  test('logs when the reader leaves', async (t) => {
    const service = await startService(t)
    const shown = await within('the end of logs', unread(service.sandbox, 'logs'))
    assert.deepEqual(shown, { status: 0, stderr: '' })
    let isOver = false
    const following = unread(service.sandbox, 'logs', '-f', '-n', '0').finally(() => {
      isOver = true
    })
    await waitFor('the end of logs -f', () => {
      service.signal('SIGCONT')
      return isOver
    })
    assert.deepEqual(await following, { status: 0, stderr: '' })
  })

  test('a restart is done to its end when nobody reads what it says', async (t) => {
    const service = await startService(t)
    const restarted = await within('the restart', unread(service.sandbox, 'restart'))
    assert.deepEqual(restarted, { status: 0, stderr: '' })
    assert.notEqual((await service.status()).pid, service.pid)
  })

  test('status and workers of a primary that is paused', async (t) => {
    const service = await startService(t)
    service.signal('SIGSTOP')
    try {
      const answers = ['status', 'workers'].map((command) => service.cli(command))
      for (const { status, stdout, stderr } of await Promise.all(answers)) {
        assert.deepEqual([status, stdout], [1, ''])
        const told = `Does not answer (process ${service.pid}, perhaps paused)`
        assert.equal(stderr, `helloserver: ${told}\n`)
      }
    } finally {
      service.signal('SIGCONT')
    }
    assert.equal((await service.cli('status')).status, 0)
  })

  test('a start with paths relative to where it is typed', async (t) => {
    const sandbox = new Sandbox(t)
    const cwd = sandbox.runDir
    const env = { ...sandbox.environment, HELLOSERVER_CONFIG: relative(cwd, sandbox.configFile) }
    const child = sandbox.spawn(['start', '--json'], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { status, stdout, stderr } = await within('the start', resultOf(child))
    assert.equal(status, 0, stderr)
    const { port } = JSON.parse(stdout) as { port: number }
    assert.equal((await ask(port, 'a\r\n')).text, 'a\r\n')
  })
})
