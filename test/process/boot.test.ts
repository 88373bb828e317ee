import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { exitStatusOf } from '../../src/errors.ts'
import { ask } from '../helpers/client.ts'
import { tryReload } from '../helpers/commands.ts'
import { Sandbox, type SandboxOptions } from '../helpers/sandbox.ts'
import { startService } from '../helpers/service.ts'
import { statusIn } from '../helpers/service-in.ts'
import { waitFor } from '../helpers/wait-for.ts'

const handle = 'async handle() {},'

/** Takes longer than any test. */
const endlessly = 'setup: () => new Promise((resolve) => setTimeout(resolve, 1e9))'

/** Apps that cannot get ready, and what the person is told of each. */
const brokenApps: readonly [what: string, app: string, told: RegExp][] = [
  [
    'throws while it loads',
    `throw new Error('no database')`,
    /failed to load: no database .*app\.js:\d/,
  ],
  ['does not parse', 'export default {', /failed to load: Unexpected end of input/],
  ['imports what is not there', `import 'no-such-package'`, /failed to load: .*no-such-package/],
  // The unit tests have the other ways to be none.
  ['has no default export', 'export const handle = () => {}', /no default export with a handle/],
  [
    'throws outside its setup',
    `setImmediate(() => { throw new Error('later') })
    export default { ${handle} ${endlessly} }`,
    /later/,
  ],
]

const failed: SandboxOptions = { allow: [/"level":"fatal".*The start failed/] }

/** Starts, and expects exactly one line on standard error, the status, and nothing left behind. */
async function refused(sandbox: Sandbox, status: number, told: RegExp): Promise<void> {
  const result = await sandbox.cli('start')
  assert.match(result.stderr, told)
  assert.match(result.stderr, /^helloserver: [^\n]+\n$/)
  assert.deepEqual([result.status, result.stdout], [status, ''])
  await sandbox.assertNothingLeft()
}

/** Starts without the command line, and expects a reason of one line, and nothing left behind. */
async function rejected(sandbox: Sandbox, status: number, told: RegExp): Promise<void> {
  await assert.rejects(sandbox.start(), (error: Error) => {
    assert.match(error.message, told)
    assert.doesNotMatch(error.message, /\n/)
    assert.equal(exitStatusOf(error), status)
    return true
  })
  await sandbox.assertNothingLeft()
}

test('an app that cannot get ready: a reload says why, and leaves the old one', async (t) => {
  // What makes a worker die late also reaches the log by itself.
  const service = await startService(t, { allow: [/Reload failed/, /later.*Uncaught exception/] })
  for (const [what, app, told] of brokenApps) {
    await t.test(`it ${what}`, async () => {
      service.sandbox.writeApp(app)
      const { outcome, reason } = await tryReload(service)
      assert.equal(outcome, 'failed')
      assert.match(reason ?? '', told)
      assert.doesNotMatch(reason ?? '', /\n/)
    })
  }
  assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
})

describe('a start that cannot succeed', { concurrency: 2 }, () => {
  test('an app that throws in setup, and a port that another program has', async (t) => {
    const app = `export default { ${handle} async setup() { throw new Error('no device') } }`
    const sandbox = new Sandbox(t, { ...failed, app })
    await refused(sandbox, 1, /failed in setup: no device .*app\.js:\d/)

    const other = createServer().listen(0, '127.0.0.1')
    t.after(() => other.close())
    await once(other, 'listening')
    const address = other.address()
    const port = typeof address === 'object' ? address?.port : undefined
    sandbox.writeApp()
    sandbox.configure({ port })
    await rejected(sandbox, 1, new RegExp(`127\\.0\\.0\\.1:${port}: another program uses it`))
  })

  test('an app that ends the process while it loads', async (t) => {
    await rejected(new Sandbox(t, { ...failed, app: 'process.exit(0)' }), 1, /exited with status 0/)
  })

  test('an app that never ends its setup', async (t) => {
    const sandbox = new Sandbox(t, {
      config: { reload: { readyTimeoutMs: 400 } },
      app: `export default { ${handle} ${endlessly} }`,
      // So does the watchdog's verdict.
      allow: [...(failed.allow ?? []), /not ready.*Killing a worker/],
    })
    await rejected(sandbox, 1, /not ready within 400 ms/)
  })

  // The unit tests have the other ways to be a bad configuration.
  test('a configuration with two problems, and a variable that is bad', async (t) => {
    const sandbox = new Sandbox(t, failed)
    writeFileSync(sandbox.configFile, '{"prot":1,"workers":0}')
    await refused(sandbox, 78, /(?=.*prot is not a known key)(?=.*workers is 0; )/)
    const environment = { HELLOSERVER_WORKERS: 'several' }
    const told = /HELLOSERVER_WORKERS is "several"; it must be a number from 1 to 1024, or "auto"/
    await rejected(new Sandbox(t, { ...failed, environment }), 78, told)
  })

  test('a stop while it is under way is answered, and the start says so', async (t) => {
    const app = `export default { ${handle} ${endlessly} }`
    const sandbox = new Sandbox(t, { ...failed, app })
    const starting = sandbox.cli('start')
    await waitFor('a service that starts', () => statusIn(sandbox).catch(() => undefined))
    const { status, stdout } = await sandbox.cli('stop')
    assert.deepEqual([status, stdout], [0, 'helloserver stopped\n'])
    assert.deepEqual(
      [(await starting).status, (await starting).stderr],
      [1, 'helloserver: The service was told to stop before it served\n'],
    )
  })
})
