import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ControlClient } from '../../src/control/control-client.ts'
import { stop } from '../helpers/commands.ts'
import { resultOf, Sandbox } from '../helpers/sandbox.ts'
import { startService } from '../helpers/service.ts'
import { statusIn } from '../helpers/service-in.ts'
import { shared } from '../helpers/shared.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** What a command shows on a terminal. */
async function onTerminal(
  sandbox: Sandbox,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  // script(1) makes the terminal, and runs its command through a shell.
  const child = sandbox.spawnThrough(['sh', '-c', 'exec script -qefc "$*" /dev/null', 'sh'], args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...sandbox.environment, ...plainTerminal, ...environment },
  })
  return (await within(args.join(' '), resultOf(child))).stdout
}

/** None of what may turn colours on or off where the tests run. */
const plainTerminal = {
  TERM: 'xterm-256color',
  CI: undefined,
  NO_COLOR: undefined,
  FORCE_COLOR: undefined,
  NODE_DISABLE_COLORS: undefined,
}

const escape = '\x1b['
const forPeople =
  /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: Serving on 127.0.0.1:\d+ with 1 worker \{"role"/m

describe('on a terminal', { concurrency: 2 }, () => {
  const running = shared((t) => startService(t))

  test('logs is for people, in colours', async () => {
    const { sandbox } = await running()
    const shown = await onTerminal(sandbox, ['logs'])
    assert.ok(shown.includes(escape))
    const first = shown.split('\n').find((line) => line.includes('Serving on'))
    assert.match(first ?? '', /^\[\d\d:.*INFO.*Serving on 127/)
  })

  test('without colours for who wants none', async () => {
    const { sandbox } = await running()
    const shown = await onTerminal(sandbox, ['logs'], { NO_COLOR: '1' })
    assert.match(shown, forPeople)
    assert.equal(shown.includes(escape), false)
  })

  test('and JSON for who asks for it', async () => {
    const { sandbox } = await running()
    const shown = await onTerminal(sandbox, ['logs', '--json', '-n', '1'])
    const line = JSON.parse(shown) as Record<string, unknown>
    assert.equal(line['kind'], 'started')
  })

  for (const [args, expected] of [
    [['run'], forPeople],
    [['run', '--json'], /^\{"level":"info".*"kind":"started"/m],
  ] as const) {
    test(`${args.join(' ')} shows its log alike, the workers' too`, async (t) => {
      const app = `export default {
        async setup({ log }) { log.info('set up') },
        async handle() {},
      }`
      const sandbox = new Sandbox(t, { app })
      const ended = onTerminal(sandbox, args, { NO_COLOR: '1' })
      await waitFor('a service that serves', async () => {
        const status = await statusIn(sandbox).catch(() => undefined)
        return status?.state === 'serving'
      })
      await stop(sandbox)
      const shown = await ended
      assert.match(shown, expected)
      assert.match(shown, /set up/)
      assert.match(shown, /Ended/)
    })
  }

  test('text from an app and a caller is shown, and commands nothing', async (t) => {
    const evil = '\\x1b]0;title\\x07\\x1b[2J\\x9b1m\\x7f\\u202e\\nhelloserver stopped'
    const app = `import { existsSync } from 'node:fs'
      if (existsSync(recordFile)) throw new Error('${evil}')
      export default { handle() {} }`
    const service = await startService(t, { app, allow: [/reload/i] })
    service.sandbox.mark()
    const reloaded = await service.cli('reload')
    const shown = [reloaded.stderr]
    // Whatever a caller names as its cause.
    const caller = await ControlClient.connect(service.sandbox.socketFile)
    await caller.request('reload', { cause: '\x1b[31mred\u2066' })
    caller.close()
    service.sandbox.unmark()
    for (const args of [
      ['status'],
      ['top', '--once'],
      ['logs'],
      ['status', '--json'],
      ['logs', '--json'],
    ]) {
      shown.push(await onTerminal(service.sandbox, args, { NO_COLOR: '1' }))
    }
    for (const text of shown) {
      assert.match(text, /\\u001b\]0;title\\u0007\\u001b\[2J/)
      // A terminal adds a return to each newline.
      assert.doesNotMatch(text.replaceAll(/\r?\n/g, ''), /[\p{Cc}\p{Cf}]/u)
      assert.doesNotMatch(text, /^helloserver stopped/m)
    }
    assert.match(shown[1] ?? '', /Reloading \(\\u001b\[31mred\\u2066\)/)
  })
})
