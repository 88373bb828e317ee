import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { type CommandResult, Sandbox, type SandboxOptions } from '../helpers/sandbox.ts'
import { statusIn } from '../helpers/service-in.ts'
import { waitFor } from '../helpers/wait-for.ts'

const handle = 'async handle() {},'

/** Apps that cannot get ready, and what the person is told of each. */
const brokenApps: readonly [what: string, app: string, told: RegExp][] = [
  [
    'throws while it loads',
    `throw new Error('no database')`,
    /failed to load: no database .*app\.js:\d/,
  ],
  ['does not parse', 'export default {', /failed to load: Unexpected end of input/],
  ['imports what is not there', `import 'no-such-package'`, /failed to load: .*no-such-package/],
  ['ends the process while it loads', 'process.exit(0)', /exited with status 0/],
  ['has no default export', 'export const handle = () => {}', /no default export with a handle/],
  ['has no handle', 'export default { async setup() {} }', /no default export with a handle/],
  [
    'throws in setup',
    `export default { ${handle} async setup() { throw new Error('no device') } }`,
    /failed in setup: no device .*app\.js:\d/,
  ],
  [
    'never ends its setup',
    `export default { ${handle} setup: () => new Promise((resolve) => setTimeout(resolve, 1e9)) }`,
    /not ready within 400 ms/,
  ],
  [
    'throws outside its setup',
    `setImmediate(() => { throw new Error('later') })
    export default { ${handle} setup: () => new Promise((resolve) => setTimeout(resolve, 1e9)) }`,
    /later/,
  ],
]

/** Configurations that are refused, and what the person is told of each; the others are among the unit tests. */
const badConfigurations: readonly [what: string, file: string, told: RegExp][] = [
  ['two problems', '{"prot":1,"workers":0}', /(?=.*prot is not a known key)(?=.*workers is 0; )/],
  ['no JSON', '{"port":', /Cannot read .*config\.json: .*JSON/],
]

/** Starts, and expects exactly one line on standard error, the status, and nothing left behind. */
async function refused(sandbox: Sandbox, status: number, told: RegExp): Promise<CommandResult> {
  const result = await sandbox.cli('start')
  assert.match(result.stderr, told)
  assert.match(result.stderr, /^helloserver: [^\n]+\n$/)
  assert.deepEqual([result.status, result.stdout], [status, ''])
  await sandbox.assertNothingLeft()
  return result
}

const failed: SandboxOptions = { allow: [/"level":"fatal".*The start failed/] }

describe('a start that cannot succeed', { concurrency: 2 }, () => {
  for (const [what, app, told] of brokenApps) {
    test(`an app that ${what}`, async (t) => {
      const config = { reload: { readyTimeoutMs: 400 } }
      // What makes a worker die late also reaches the log by itself; so does the watchdog's verdict.
      const allow = [
        ...(failed.allow ?? []),
        /later.*Uncaught exception/,
        /not ready.*Killing a worker/,
      ]
      const patient = what.startsWith('never') ? config : {}
      await refused(new Sandbox(t, { config: patient, app, allow }), 1, told)
    })
  }

  for (const [what, file, told] of badConfigurations) {
    test(`a configuration with ${what}`, async (t) => {
      const sandbox = new Sandbox(t, failed)
      writeFileSync(sandbox.configFile, file)
      await refused(sandbox, 78, told)
    })
  }

  test('a configuration file that does not exist', async (t) => {
    const sandbox = new Sandbox(t, failed)
    rmSync(sandbox.configFile)
    await refused(sandbox, 78, /config\.json does not exist; set HELLOSERVER_CONFIG/)
  })

  test('a bad variable is named, with what is allowed', async (t) => {
    const environment = { HELLOSERVER_WORKERS: 'several' }
    const told = /HELLOSERVER_WORKERS is "several"; it must be a number from 1 to 1024, or "auto"/
    await refused(new Sandbox(t, { ...failed, environment }), 78, told)
  })

  test('a folder without an app', async (t) => {
    const sandbox = new Sandbox(t, failed)
    rmSync(sandbox.appFile)
    await refused(sandbox, 78, /has no app\.ts or app\.js/)
  })

  test('a port that another program has', async (t) => {
    const other = createServer().listen(0, '127.0.0.1')
    t.after(() => other.close())
    await once(other, 'listening')
    const address = other.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const sandbox = new Sandbox(t, { ...failed, config: { port } })
    await refused(sandbox, 1, new RegExp(`127\\.0\\.0\\.1:${port}: another program has it`))
  })

  test('a stop while it is under way is answered, and the start says so', async (t) => {
    const app = `export default { ${handle} setup: () => new Promise((resolve) => setTimeout(resolve, 1e9)) }`
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
