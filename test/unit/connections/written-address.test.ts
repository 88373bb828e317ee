import assert from 'node:assert/strict'
import { NativeSocket } from '../../../src/connections/native-socket.ts'
import { pathIn, writtenBytes, writtenClient } from '../../../src/connections/written-address.ts'
import { remoteOf } from '../../../src/ipc/socket-handle.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'

nativeTest('an address is written as the system writes it', () => {
  for (const address of [
    '192.0.2.1',
    '255.255.255.255',
    '2001:db8::1',
    '2001:db8:1:2:3:4:5:6',
    '::',
    '::1',
    'fe80::',
    '::192.0.2.1',
  ]) {
    const remote = { address, port: 5_555 }
    const written = writtenClient(remote)
    assert.deepEqual(remoteOf(new NativeSocket(nativeModule(), -1, written)), remote, address)
  }
})

nativeTest('a path is written besides, and is no address', () => {
  const paths = ['/run/x.sock', '@name', `/${'x'.repeat(107)}`, '/run/ü', '\ufffd'.repeat(41)]
  for (const path of paths) {
    const written = writtenClient({ path })
    assert.ok(written.length <= writtenBytes)
    assert.equal(pathIn(Buffer.from(written, 'latin1')), path)
  }
  const cut = pathIn(Buffer.from(writtenClient({ path: '\ufffd'.repeat(108) }), 'latin1'))
  assert.match(cut ?? '', /^\ufffd{41,}$/)
  assert.equal(pathIn(Buffer.from(writtenClient({ address: '::1', port: 1 }), 'latin1')), undefined)
  assert.equal(remoteOf(new NativeSocket(nativeModule(), -1, '\0'.repeat(32))), undefined)
})
