import assert from 'node:assert/strict'
import { once } from 'node:events'
import { relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { resultOf, Sandbox } from '../helpers/sandbox.ts'
import { type Service, serviceAt } from '../helpers/service-in.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** Apps that would leave `check` without a verdict. */
const unruly = [
  ['', 'await new Promise(() => {})'],
  [' and keeps the process', 'setInterval(() => {}, 10); await new Promise(() => {})'],
  [' and blocks the event loop', 'for (;;);'],
  [' and blocks the thread', 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'],
] as const

/** Starts a command whose output nobody reads. */
function unread(sandbox: Sandbox, ...args: string[]): Promise<{ status: number; stderr: string }> {
  const child = sandbox.spawn(args, { stdio: ['ignore', 'pipe', 'pipe'] })
  assert.ok(child.stdout !== null && child.stderr !== null)
  child.stdout.destroy()
  const ended = Promise.all([once(child, 'exit'), text(child.stderr)])
  return ended.then(([[status], stderr]) => ({ status: Number(status), stderr }))
}

async function follows(service: Service): Promise<void> {
  const child = service.sandbox.spawn(['logs', '-f', '-n', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { stdout, stderr } = child
  assert.ok(stdout !== null && stderr !== null)
  const ended = Promise.all([once(child, 'exit'), text(stderr)])
  let followed = ''
  stdout.on('data', (chunk: Buffer) => {
    followed += chunk.toString()
  })
  const logSomething = () => service.signal('SIGCONT')
  await waitFor('what is logged now', () => {
    logSomething()
    return followed.includes('Caught SIGCONT')
  })
  stdout.destroy()
  await waitFor('the end of logs -f', () => {
    logSomething()
    return child.exitCode !== null
  })
  const [[status], told] = await ended
  assert.deepEqual([status, told], [0, ''])
}

async function ofPaused(service: Service): Promise<void> {
  service.signal('SIGSTOP')
  try {
    const answers = ['status', 'workers'].map((command) => service.cli(command))
    for (const { status, stdout, stderr } of await Promise.all(answers)) {
      assert.deepEqual([status, stdout], [1, ''])
      const told = `The service does not answer (process ${service.pid}, which may be paused)`
      assert.equal(stderr, `helloserver: ${told}\n`)
    }
  } finally {
    service.signal('SIGCONT')
  }
  assert.equal((await service.status()).pid, service.pid)
}

describe('commands end, whatever they meet', { concurrency: 2 }, () => {
  for (const [how, app] of unruly) {
    test(`check of an app that never loads${how}`, async (t) => {
      const config = { reload: { readyTimeoutMs: 500 } }
      const sandbox = new Sandbox(t, { config, app: `${app}\nexport default { handle() {} }\n` })
      const { status, stdout, stderr } = await sandbox.cli('check')
      assert.deepEqual([status, stdout], [1, ''])
      assert.match(stderr, /^helloserver: The app \S+ did not load within 500 ms\n$/)
    })
  }

  test('check of an app that ends the process, for people and for programs', async (t) => {
    const app = (code: number) => `process.exit(${code})\nexport default { handle() {} }\n`
    const sandbox = new Sandbox(t, { app: app(0) })
    const shown = await sandbox.cli('check')
    assert.deepEqual([shown.status, shown.stdout], [1, ''])
    const told = /^helloserver: The app \S+ ended the process while it loaded\n$/
    assert.match(shown.stderr, told)
    sandbox.writeApp(app(3))
    const { status, stdout } = await sandbox.cli('check', '--json')
    assert.equal(status, 1)
    assert.equal(JSON.parse(stdout).error.code, 'APP_FAILED')
  })

  test('check of an app that goes on in the background', async (t) => {
    const app = 'setInterval(() => {}, 10)\nexport default { handle() {} }\n'
    const { status, stdout, stderr } = await new Sandbox(t, { app }).cli('check')
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, / is valid, and the app \S+ loads\n$/)
  })

  test('those of a service that was started by paths relative to where that was typed', async (t) => {
    const sandbox = new Sandbox(t)
    const cwd = sandbox.runDir
    const env = { ...sandbox.environment, HELLOSERVER_CONFIG: relative(cwd, sandbox.configFile) }
    const child = sandbox.spawn(['start', '--json'], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const started = await within('the start', resultOf(child))
    assert.equal(started.status, 0, started.stderr)
    const { port, pid } = JSON.parse(started.stdout) as { port: number; pid: number }
    assert.equal((await ask(port, 'a\r\n')).text, 'a\r\n')
    const service = serviceAt(sandbox, pid, port)

    await t.test('status and workers of a primary that is paused', () => ofPaused(service))
    await t.test('logs when the reader leaves', async () => {
      const shown = await within('the end of logs', unread(sandbox, 'logs'))
      assert.deepEqual(shown, { status: 0, stderr: '' })
    })
    await t.test('logs follows, until the reader leaves', () => follows(service))
    await t.test('a restart is done to its end when nobody reads what it says', async () => {
      const restarted = await within('the restart', unread(sandbox, 'restart'))
      assert.deepEqual(restarted, { status: 0, stderr: '' })
      assert.notEqual((await service.status()).pid, pid)
    })
  })
})
