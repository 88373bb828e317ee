import { crc32c } from '../../../src/proxy-protocol/crc32c.ts'

/** PROXY headers of version 2, as a proxy writes them; written anew here, not by the code that reads them. */

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

export const families = { unspec: 0x00, tcp4: 0x11, udp4: 0x12, tcp6: 0x21, unix: 0x31 } as const

/** A field: type, length, value. */
export function field(type: number, value: Buffer): Buffer {
  const prefix = Buffer.alloc(3)
  prefix.writeUInt8(type)
  prefix.writeUInt16BE(value.length, 1)
  return Buffer.concat([prefix, value])
}

/** The addresses 192.0.2.1:5555 and 192.0.2.2:443. */
export const addresses4 = Buffer.from('c0000201c000020215b301bb', 'hex')

/** The addresses [2001:db8::1]:5555 and [2001:db8::2]:443. */
export const addresses6 = Buffer.from(
  `20010db8${'0'.repeat(23)}120010db8${'0'.repeat(23)}215b301bb`,
  'hex',
)

export function binaryHeader(
  command: number,
  family: number,
  addresses: Buffer,
  ...fields: readonly Buffer[]
): Buffer {
  const rest = Buffer.concat([addresses, ...fields])
  const fixed = Buffer.from([0x20 | command, family, rest.length >> 8, rest.length & 0xff])
  return Buffer.concat([signature, fixed, rest])
}

/** A header with the checksum field last. */
export function withChecksum(
  command: number,
  family: number,
  addresses: Buffer,
  ...fields: readonly Buffer[]
): Buffer {
  const header = binaryHeader(command, family, addresses, ...fields, field(0x03, Buffer.alloc(4)))
  header.writeUInt32BE(crc32c(header), header.length - 4)
  return header
}

/** A TLS field as HAProxy writes it. */
export function tlsField(bits: number, verify: number): Buffer {
  const fixed = Buffer.alloc(5)
  fixed.writeUInt8(bits)
  fixed.writeUInt32BE(verify, 1)
  const inner = [
    field(0x21, Buffer.from('TLSv1.3')),
    field(0x22, Buffer.from('meter-7')),
    field(0x23, Buffer.from('TLS_AES_128_GCM_SHA256')),
  ]
  return field(0x20, Buffer.concat([fixed, ...inner]))
}
