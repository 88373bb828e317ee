import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ask, Client } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import { type Service, startIn } from '../helpers/service.ts'

const run = promisify(execFile)
const { href: app } = new URL('../../apps/whois/app.js', import.meta.url)
const shippedConfig = fileURLToPath(new URL('../../../apps/whois/config.json', import.meta.url))

/** Asks with the system's own client, `whois` of whois(1). */
async function whois(service: Service, name: string): Promise<string> {
  const { stdout } = await run('whois', ['-h', '127.0.0.1', '-p', String(service.port), '--', name])
  return stdout.replaceAll('\r\n', '\n')
}

/** The shipped folder, but for the port. */
function startShipped(t: TestContext): Promise<Service> {
  const environment = {
    HELLOSERVER_CONFIG: shippedConfig,
    HELLOSERVER_HOST: '127.0.0.1',
    HELLOSERVER_PORT: '0',
    HELLOSERVER_WORKERS: '1',
  }
  return startIn(new Sandbox(t, { environment }))
}

/** The same app on a records file of the test's own. */
function sandboxWith(t: TestContext, records: string): Sandbox {
  const sandbox = new Sandbox(t, {
    config: { app: { records: 'records.txt' } },
    app: `export { default } from '${app}'\n`,
    allow: [/"msg":"(Reload failed|The start failed)/],
  })
  writeRecords(sandbox, records)
  return sandbox
}

function writeRecords(sandbox: Sandbox, records: string): void {
  writeFileSync(join(dirname(sandbox.configFile), 'records.txt'), records)
}

test('the shipped service', async (t) => {
  const service = await startShipped(t)

  await t.test('the real client gets the record of a name, in any case', async () => {
    const answer = await whois(service, 'example.test')
    assert.match(answer, /^domain: +example\.test\nholder: +Example Holdings\n/)
    assert.match(answer, /\ncreated: +2003-04-01\n$/)
    assert.equal(await whois(service, '  EXAMPLE.Test '), answer)
  })

  await t.test(
    'the real client gets text beyond ASCII, and domains by their ASCII form',
    async () => {
      assert.match(
        await whois(service, 'xn--bcher-kva.example'),
        /^remarks: +Shown as bücher\.example;/m,
      )
    },
  )

  await t.test(
    'the real client is told of a name that is not there, and of an empty query',
    async () => {
      assert.equal(await whois(service, 'nobody.test'), '% No match for "nobody.test"\n')
      assert.match(await whois(service, ''), /^% Error: The query is empty\n% /)
    },
  )

  await t.test(
    'a hostile query is answered and echoes nothing that acts on a terminal',
    async () => {
      const { how, text } = await ask(service.port, '\x1b]0;gotcha\x07\xff\x00\r\n')
      assert.equal(how, 'end')
      assert.equal(
        Buffer.from(text, 'latin1').toString(),
        '% No match for "?]0;gotcha?\uFFFD?"\r\n',
      )
      const long = await ask(service.port, 'x'.repeat(5_000))
      assert.deepEqual(long, {
        how: 'end',
        text: '% Error: The query is too long; the limit is 1024 bytes\r\n',
      })
    },
  )
})

test('a service with other records', async (t) => {
  const service = await startIn(sandboxWith(t, 'domain: a.test\nstate: old\n'))

  await t.test('a reload reads the records again', async () => {
    assert.equal(await whois(service, 'a.test'), 'domain: a.test\nstate: old\n')
    writeRecords(service.sandbox, 'domain: a.test\nstate: new\n')
    await reload(service)
    assert.equal(await whois(service, 'a.test'), 'domain: a.test\nstate: new\n')
  })

  await t.test('a broken file fails the reload, says where, and the old records stay', async () => {
    writeRecords(service.sandbox, 'domain: a.test\n\ndomain: A.TEST\n')
    const { status, stderr } = await service.cli('reload')
    assert.equal(status, 1)
    assert.match(stderr, /records\.txt:3: Got "domain: A\.TEST"; expected another name/)
    assert.equal(await whois(service, 'a.test'), 'domain: a.test\nstate: new\n')
  })

  await t.test('a client that ends its side instead of its line is answered', async () => {
    const client = new Client(service.port)
    await client.send('a.test')
    client.halfClose()
    assert.deepEqual(await client.ending(), {
      how: 'end',
      text: 'domain: a.test\r\nstate: new\r\n',
    })
  })
})

test('a broken file fails the start', async (t) => {
  const sandbox = sandboxWith(t, 'domain a.test\n')
  await assert.rejects(sandbox.start(), {
    code: 'BOOT_FAILED',
    message: /records\.txt:1: Got "domain a\.test"; expected "key: value"/,
  })
})
