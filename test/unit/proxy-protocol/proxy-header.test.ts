import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  maxHeaderBytes,
  type Parsed,
  parseProxyHeader,
} from '../../../src/proxy-protocol/proxy-header.ts'
import { chooseSeed, fuzzInputs, randomFrom } from '../../helpers/random.ts'
import {
  addresses4,
  addresses6,
  binaryHeader,
  families,
  field,
  tlsField,
  withChecksum,
} from '../support/proxy-headers.ts'

const text = (line: string) => Buffer.from(line, 'latin1')

function headerOf(bytes: Buffer) {
  const parsed = parseProxyHeader(bytes)
  assert.ok(parsed.kind === 'header', `${parsed.kind}, not a header`)
  return parsed
}

const source4 = { address: '192.0.2.1', port: 5555 }
const destination4 = { address: '192.0.2.2', port: 443 }
const bits = { tls: 1, certificate: 2, session: 4 }

test('a header of version 1 has the addresses, and the bytes behind it are not part of it', () => {
  const line = 'PROXY TCP4 192.0.2.1 192.0.2.2 5555 443\r\n'
  const { header, length } = headerOf(text(`${line}hello\r\n`))
  assert.equal(length, line.length)
  assert.deepEqual(header.source, source4)
  assert.deepEqual(header.destination, destination4)
  assert.equal(header.version, 1)
  assert.equal(header.isLocal, false)
})

test('an IPv6 address has one spelling', () => {
  const spellings = ['2001:db8::1', '2001:0DB8:0:0::0001', '2001:db8:0:0:0:0:0:1']
  for (const spelling of spellings) {
    const { header } = headerOf(text(`PROXY TCP6 ${spelling} ::1 5555 443\r\n`))
    assert.deepEqual(header.source, { address: '2001:db8::1', port: 5555 })
  }
  const { header } = headerOf(binaryHeader(1, families.tcp6, addresses6))
  assert.deepEqual(header.source, { address: '2001:db8::1', port: 5555 })
  assert.deepEqual(header.destination, { address: '2001:db8::2', port: 443 })
})

test('a proxy for both kinds of addresses says IPv4 addresses as IPv6, which they are not', () => {
  const mapped = Buffer.concat([
    Buffer.from('00000000000000000000ffffc000020100000000000000000000ffffc0000202', 'hex'),
    Buffer.from([0x15, 0xb3, 1, 0xbb]),
  ])
  for (const bytes of [
    text('PROXY TCP6 ::ffff:192.0.2.1 ::FFFF:c000:0202 5555 443\r\n'),
    binaryHeader(1, families.tcp6, mapped),
  ]) {
    const { header } = headerOf(bytes)
    assert.deepEqual([header.source, header.destination], [source4, destination4])
  }
})

test('a proxy that does not say who the client is has no addresses', () => {
  const unknown = [
    text('PROXY UNKNOWN\r\n'),
    text('PROXY UNKNOWN ffff::1 whatever 0 1\r\n'),
    binaryHeader(1, families.unspec, Buffer.alloc(0)),
  ]
  for (const bytes of unknown) {
    const { header, length } = headerOf(bytes)
    assert.equal(length, bytes.length)
    assert.equal(header.source, undefined)
    assert.equal(header.isLocal, false)
  }
})

test("a proxy's own connection is local, whatever else its header has", () => {
  const junk = Buffer.alloc(7, 0xaa)
  for (const family of [families.unspec, families.tcp4, 0xee]) {
    const { header, length } = headerOf(binaryHeader(0, family, junk))
    assert.equal(header.isLocal, true)
    assert.equal(header.source, undefined)
    assert.equal(length, 16 + junk.length)
  }
})

test('Unix sockets have paths, and an abstract name begins with @', () => {
  const paths = Buffer.alloc(216)
  paths.write('/run/client.sock')
  paths.write('\0service', 108)
  const { header } = headerOf(binaryHeader(1, families.unix, paths))
  assert.deepEqual(header.source, { path: '/run/client.sock' })
  assert.deepEqual(header.destination, { path: '@service' })
})

test('the fields of version 2 are kept', () => {
  const { header } = headerOf(
    withChecksum(
      1,
      families.tcp4,
      addresses4,
      field(0x01, text('h2')),
      field(0x02, text('meters.example')),
      field(0x04, Buffer.alloc(9)),
      field(0x05, Buffer.from([0, 255, 1])),
      field(0xe0, text('of some vendor')),
      tlsField(bits.tls | bits.certificate, 0),
    ),
  )
  assert.deepEqual(header.source, source4)
  assert.equal(header.alpn, 'h2')
  assert.equal(header.authority, 'meters.example')
  assert.deepEqual(header.uniqueId, Buffer.from([0, 255, 1]))
  assert.deepEqual(header.tls, {
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    commonName: 'meter-7',
    hasCertificate: true,
    isVerified: true,
  })
})

test("a certificate is verified only if there is one and the proxy's verdict is 0", () => {
  const tlsWith = (client: number, verify: number) =>
    headerOf(binaryHeader(1, families.tcp4, addresses4, tlsField(client, verify))).header.tls
  assert.equal(tlsWith(bits.tls | bits.session, 0)?.isVerified, true)
  assert.equal(tlsWith(bits.tls | bits.certificate, 18)?.isVerified, false)
  assert.equal(tlsWith(bits.tls, 0)?.isVerified, false)
  assert.equal(tlsWith(0, 0), undefined)
})

test('anything else is refused, with the reason', () => {
  const broken = withChecksum(1, families.tcp4, addresses4)
  broken.writeUInt8(193, 16)
  const long = binaryHeader(1, families.tcp4, addresses4, field(0x04, Buffer.alloc(maxHeaderBytes)))
  const refused: [string, Buffer, RegExp][] = [
    ['the wrong checksum', broken, /fields/],
    [
      'a checksum of the wrong size',
      binaryHeader(1, families.tcp4, addresses4, field(3, Buffer.alloc(3))),
      /fields/,
    ],
    [
      'a field that is cut off',
      binaryHeader(1, families.tcp4, addresses4, Buffer.from([5, 0, 9, 1])),
      /fields/,
    ],
    ['half a prefix', binaryHeader(1, families.tcp4, addresses4, Buffer.from([5, 0])), /fields/],
    [
      'a long unique id',
      binaryHeader(1, families.tcp4, addresses4, field(5, Buffer.alloc(129))),
      /fields/,
    ],
    [
      'half a TLS field',
      binaryHeader(1, families.tcp4, addresses4, field(0x20, Buffer.alloc(4))),
      /fields/,
    ],
    ['a header that is too long', long, /longer than/],
    ['a datagram', binaryHeader(1, families.udp4, addresses4), /family/],
    ['half an address', binaryHeader(1, families.tcp4, addresses4.subarray(1)), /too short/],
    ['another command', binaryHeader(2, families.tcp4, addresses4), /command/],
    ['an endless line', text(`PROXY UNKNOWN ${'x'.repeat(107)}`), /end/],
    ['the other family', text('PROXY TCP4 ::1 ::1 1 2\r\n'), /addresses/],
    ['a zone', text('PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'), /addresses/],
    ['a name', text('PROXY TCP4 localhost 127.0.0.1 1 2\r\n'), /addresses/],
    ['another protocol', text('PROXY UDP4 127.0.0.1 127.0.0.1 1 2\r\n'), /protocol/],
    ['a word of JavaScript', text('PROXY constructor 127.0.0.1 127.0.0.1 1 2\r\n'), /protocol/],
    ['a high port', text('PROXY TCP4 127.0.0.1 127.0.0.1 65536 2\r\n'), /ports/],
    ['a padded port', text('PROXY TCP4 127.0.0.1 127.0.0.1 01 2\r\n'), /ports/],
    ['one port', text('PROXY TCP4 127.0.0.1 127.0.0.1 1\r\n'), /ports/],
    ['three ports', text('PROXY TCP4 127.0.0.1 127.0.0.1 1 2 3\r\n'), /ports/],
    ['two spaces', text('PROXY TCP4  127.0.0.1 127.0.0.1 1 2\r\n'), /addresses/],
  ]
  for (const [what, bytes, why] of refused) {
    const parsed = parseProxyHeader(bytes)
    assert.ok(parsed.kind === 'malformed', `${what} is ${parsed.kind}`)
    assert.match(parsed.why, why, what)
  }
  for (const bytes of ['hello\r\n', 'proxy TCP4', '\r\n\r\nX', 'PROXy']) {
    assert.equal(parseProxyHeader(text(bytes)).kind, 'missing', bytes)
  }
})

/** Headers that are right, to be damaged. */
const right = [
  text('PROXY TCP4 192.0.2.1 192.0.2.2 5555 443\r\n'),
  text('PROXY TCP6 2001:db8::1 2001:db8::2 5555 443\r\n'),
  text('PROXY UNKNOWN\r\n'),
  binaryHeader(1, families.tcp4, addresses4),
  binaryHeader(1, families.tcp6, addresses6, tlsField(7, 0)),
  binaryHeader(1, families.unix, Buffer.alloc(216, '/x')),
  binaryHeader(0, families.unspec, Buffer.alloc(0)),
  withChecksum(1, families.tcp4, addresses4, field(5, text('id')), tlsField(1, 1)),
]

test('every input has a result, and more input never changes a result', {
  timeout: 60_000,
}, (t) => {
  const inputs = fuzzInputs(20_000)
  const seed = chooseSeed()
  t.diagnostic(`seed ${seed}`)
  const random = randomFrom(seed)
  const upTo = (count: number) => Math.floor(random() * count)
  const kinds: Record<Parsed['kind'], number> = {
    header: 0,
    incomplete: 0,
    malformed: 0,
    missing: 0,
  }
  const some = () => Buffer.from(Array.from({ length: upTo(40) }, () => upTo(256)))
  const damaged = (): Buffer => {
    const bytes = Buffer.concat([right[upTo(right.length)] ?? some(), some()])
    for (let left = upTo(4); left > 0; left -= 1) bytes[upTo(bytes.length)] = upTo(256)
    return random() < 0.3 ? bytes.subarray(0, upTo(bytes.length)) : bytes
  }
  for (let round = 0; round < inputs; round += 1) {
    const bytes = random() < 0.1 ? some() : damaged()
    const whole = parseProxyHeader(bytes)
    kinds[whole.kind] += 1
    const part = parseProxyHeader(bytes.subarray(0, upTo(bytes.length + 1)))
    if (part.kind !== 'incomplete') assert.deepEqual(part, whole, bytes.toString('hex'))
    if (whole.kind !== 'header') continue
    assert.ok(whole.length <= bytes.length)
    const before = parseProxyHeader(bytes.subarray(0, whole.length - 1))
    assert.equal(before.kind, 'incomplete', bytes.toString('hex'))
  }
  for (const [kind, count] of Object.entries(kinds))
    assert.ok(count > inputs / 100, `${count} ${kind}`)
})
