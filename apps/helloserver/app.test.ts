import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from 'helloserver/testing'
import echo from './app.ts'

test('a line comes back, and the connection ends', async () => {
  const app = await testApp(echo)
  const client = app.connect()
  await client.write('hello\r\nand more\r\n')
  assert.equal(String(await client.readAll()), 'hello\r\n')
  assert.equal((await client.outcome).outcome, 'served')
  await app.close()
})

test('a line without an end is answered when the client ends its side, and no earlier', async () => {
  const app = await testApp(echo)
  const client = app.connect()
  await client.write('hello', { pieceBytes: 1 })
  assert.equal(client.isOpen, true)
  await client.end()
  assert.equal(String(await client.readAll()), 'hello')
  await app.close()
})

test('a line that is too long is refused, however many bytes follow', async () => {
  const app = await testApp(echo, { connection: { maxLineBytes: 16 } })
  const client = app.connect()
  await client.write('x'.repeat(1_000))
  assert.equal(String(await client.readAll()), 'ERR line too long (limit 16 bytes)\r\n')
  assert.equal((await client.outcome).outcome, 'served')
  await app.close()
})

test('a client that sends nothing is let go', async () => {
  const app = await testApp(echo)
  const client = app.connect()
  await app.clock.advance(30_000)
  assert.equal((await client.outcome).reason, 'read-timeout')
  await app.close()
})
