import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Connection } from '../../../src/worker/connection.ts'
import { within } from '../../helpers/wait-for.ts'
import { connected } from '../support/connected.ts'
import { overEach } from '../support/over-each.ts'
import { received } from '../support/socket-pair.ts'

const documentation = readFileSync(new URL('../../../../docs/apps.md', import.meta.url), 'utf8')

/** The examples of the chapter on framing, each a handler with what it needs in front of it. */
function examples(): string[] {
  const [, chapter = ''] = documentation.split('\n## Framing\n')
  const [text = ''] = chapter.split('\n## ')
  return [...text.matchAll(/```ts\n([^]*?)```/g)].map(([, code = '']) => code)
}

async function handlerOf(code: string): Promise<(connection: Connection) => Promise<void>> {
  const [needs = '', handle = ''] = code.split(/^(?=async handle)/m).slice(-2)
  const source = code.startsWith('async')
    ? `export default { ${code} }`
    : `${needs}\nexport default { ${handle} }`
  const module: { default: { handle(connection: Connection): Promise<void> } } = await import(
    `data:text/javascript,${encodeURIComponent(source)}`
  )
  return (connection) => module.default.handle(connection)
}

const rows = Array.from({ length: 1_000 }, (_, at) => `row ${at + 1}: ${'x'.repeat(60)}\r\n`)
const hypertext = 'GET /a HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n'

/** What a client sends to the examples, in their order, and what must come back. */
const exchanges: readonly [sent: string, isRight: (answer: Buffer) => unknown][] = [
  ['one\r\ntwo\r\n', (answer) => assert.equal(String(answer), 'ONE\r\nTWO\r\n')],
  ['AB\0\x03xyz', (answer) => assert.equal(String(answer), 'AB: xyz\r\n')],
  ['\x0bMSH|\x1c\r', (answer) => assert.equal(String(answer), '\x0bMSA|AA|7\x1c\r')],
  ['you\r\n', (answer) => assert.equal(String(answer), 'Hello, you\r\n')],
  ['\0\0\0\x02hi', (answer) => assert.equal(String(answer), '\0\0\0\x06got hi')],
  ['', (answer) => assert.equal(String(answer), rows.join(''))],
  ['plain', (answer) => assert.equal(String(gunzipSync(answer)), 'plain')],
  [hypertext, (answer) => assert.match(String(answer), /200 OK[^]*You asked for \/a/)],
]

overEach('each example in the documentation does what it says', async (t) => {
  const codes = examples()
  assert.equal(codes.length, exchanges.length)
  for (const [at, [sent, isRight]] of exchanges.entries()) {
    const { connection, client, conclude } = await connected(t)
    const handle = await handlerOf(codes[at] ?? '')
    client.end(Buffer.from(sent, 'latin1'))
    const answer = received(client)
    await within('a handler', handle(connection))
    await connection.flush()
    conclude()
    isRight(await answer)
  }
})
