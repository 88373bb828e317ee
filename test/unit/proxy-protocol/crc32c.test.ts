import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c } from '../../../src/proxy-protocol/crc32c.ts'

test('the checksums are those of RFC 3720, appendix B.4', () => {
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
  assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, at) => at))), 0x46dd794e)
})
