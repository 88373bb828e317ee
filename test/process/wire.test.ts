import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { counted, startService } from '../helpers/service.ts'

const tooLong = 'ERR line too long (limit 1024 bytes)\r\n'

/** What a client sends, packet by packet, and what it gets; it keeps its own side open. */
const exchanges: readonly [what: string, packets: readonly string[], answer: string][] = [
  ['a line is echoed', ['hello\r\n'], 'hello\r\n'],
  ['an empty line is a line', ['\r\n'], '\r\n'],
  ['what follows the first line is dropped, and the end is clean', ['a\r\nb\r\n'], 'a\r\n'],
  ['a CRLF may be split over packets', ['hello\r', '\n'], 'hello\r\n'],
  ['NUL bytes are bytes', ['\0a\0\0\r\n'], '\0a\0\0\r\n'],
  ['a CR before the CRLF belongs to the line', ['a\r\r\n'], 'a\r\r\n'],
  ['a lone LF and a lone CR end no line', ['a\nb\rc\r\n'], 'a\nb\rc\r\n'],
  ['every byte value comes back', [`${allBytes()}\r\n`], `${allBytes()}\r\n`],
  ['one-byte packets make a line', '\xffhel\0lo\r\n'.split(''), '\xffhel\0lo\r\n'],
  ['1023 bytes with the CRLF are a line', [`${'x'.repeat(1021)}\r\n`], `${'x'.repeat(1021)}\r\n`],
  ['1024 bytes with the CRLF are too long', [`${'x'.repeat(1022)}\r\n`], tooLong],
  ['1024 bytes without a CRLF are too long', ['x'.repeat(1024)], tooLong],
  ['1023 bytes and one more are too long', ['x'.repeat(1023), 'x'], tooLong],
]

test('the C program on the wire', async (t) => {
  const service = await startService(t)
  const { port } = service

  for (const [what, packets, answer] of exchanges) {
    await t.test(what, async () => {
      const client = await Client.connect(port)
      for (const packet of packets) await client.send(packet)
      assert.deepEqual(await client.ending(), { how: 'end', text: answer })
    })
  }

  await t.test('LF alone is waited on, and echoed when the client ends its side', async () => {
    const client = await Client.connect(port)
    await client.send('hello\n')
    const busy = await counted(service, { active: 1 })
    assert.equal(busy.workers[0]?.remote, client.address)
    assert.deepEqual([client.how, client.text], [undefined, ''])
    client.halfClose()
    assert.deepEqual(await client.ending(), { how: 'end', text: 'hello\n' })
  })

  await t.test('1023 bytes without a CRLF are echoed at the end', async () => {
    const client = await Client.connect(port)
    await client.send('x'.repeat(1023))
    client.halfClose()
    assert.deepEqual(await client.ending(), { how: 'end', text: 'x'.repeat(1023) })
  })

  await t.test('a client that ends its side at once gets an empty end', async () => {
    const client = await Client.connect(port)
    client.halfClose()
    assert.deepEqual(await client.ending(), { how: 'end', text: '' })
  })

  await t.test('an over-long line is answered although the client sends on', async () => {
    const flood = `${'x'.repeat(8 * 1024 * 1024)}\r\n`
    assert.deepEqual(await ask(port, flood), { how: 'end', text: tooLong })
    assert.deepEqual(await ask(port, 'next\r\n'), { how: 'end', text: 'next\r\n' })
  })

  await t.test('input after the line does not turn the answer into a reset', async () => {
    const rest = 'y'.repeat(4 * 1024 * 1024)
    assert.deepEqual(await ask(port, `a\r\n${rest}`), { how: 'end', text: 'a\r\n' })
  })

  await t.test('each of them was served by the same process', async () => {
    const { connections, pid } = await counted(service, { active: 0 })
    assert.equal(connections.served, connections.accepted)
    assert.equal(pid, service.pid)
  })
})

function allBytes(): string {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 10)
  return String.fromCharCode(...bytes)
}
