import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type TestApp, testApp } from 'helloserver/testing'
import whois from './app.ts'

/** The app on a records file with this text. */
async function started(t: TestContext, text: string): Promise<TestApp> {
  const directory = await mkdtemp(join(tmpdir(), 'whois-'))
  t.after(() => rm(directory, { recursive: true }))
  await writeFile(join(directory, 'records.txt'), text)
  return testApp(whois, { directory, settings: { records: 'records.txt' } })
}

async function answerOf(app: TestApp, query: string): Promise<string> {
  const client = app.connect()
  await client.write(query)
  const answer = String(await client.readAll())
  assert.equal((await client.outcome).outcome, 'served')
  return answer
}

test('a name gets its record, in any case, or a remark', async (t) => {
  const app = await started(t, 'domain: a.test\nstate: old\n')
  assert.equal(await answerOf(app, 'A.Test\r\n'), 'domain: a.test\r\nstate: old\r\n')
  assert.equal(await answerOf(app, 'b.test\r\n'), '% No match for "b.test"\r\n')
  assert.match(await answerOf(app, '\r\n'), /^% Error: The query is empty\r\n/)
  await app.close()
})

test('a query that ends with its side is answered, and one that is too long refused', async (t) => {
  const app = await started(t, 'domain: a.test\n')
  const client = app.connect()
  await client.write('a.test')
  await client.end()
  assert.equal(String(await client.readAll()), 'domain: a.test\r\n')
  const long = '% Error: The query is too long; the limit is 1024 bytes\r\n'
  assert.equal(await answerOf(app, 'x'.repeat(5_000)), long)
  await app.close()
})

test('a mistake in the records fails the setup, and names its line', async (t) => {
  await assert.rejects(started(t, 'domain a.test\n'), /records\.txt:1: Got "domain a\.test"/)
  await assert.rejects(testApp(whois), /app\.records is undefined/)
})
