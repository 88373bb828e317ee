import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { plainAddress } from '../endpoint.ts'
import type { Remote } from '../ipc/socket-handle.ts'
import { crc32c } from './crc32c.ts'

/**
 * The PROXY protocol, versions 1 and 2 (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt): a proxy writes a
 * header in front of a connection's bytes, which says who is behind the proxy. The numbers in the comments are those
 * of the specification's sections.
 */

/** TLS between the client and the proxy, as the proxy reports it. */
export interface ProxiedTls {
  /** Such as "TLSv1.3". */
  readonly protocol: string | undefined
  readonly cipher: string | undefined
  /** Whether the client has presented a certificate, in this connection or in the TLS session that it resumes. */
  readonly hasCertificate: boolean
  /** Whether the proxy has verified that certificate. */
  readonly isVerified: boolean
  /** The common name in that certificate's subject. */
  readonly commonName: string | undefined
}

/** The contents of a header. */
export interface ProxyHeader {
  readonly version: 1 | 2
  /** Whether the connection is the proxy's own, such as a health check, with no client behind it. */
  readonly isLocal: boolean
  /** The client's address; undefined for the proxy's own connections, and when the proxy does not say. */
  readonly source: Remote | undefined
  /** The address at the proxy to which the client has connected; undefined as `source` is. */
  readonly destination: Remote | undefined
  /** The client's TLS to the proxy; undefined when there is none, or the proxy does not say. */
  readonly tls: ProxiedTls | undefined
  /** The protocol that client and proxy have agreed on (RFC 7301). */
  readonly alpn: string | undefined
  /** The server's name that the client has asked for. */
  readonly authority: string | undefined
  /** The proxy's identifier of the connection, up to 128 bytes. */
  readonly uniqueId: Buffer | undefined
}

/** Why bytes are not a header. `missing`: they do not even begin as one. */
export type HeaderFault = 'missing' | 'malformed'

/** What the first bytes of a connection are, so far. */
export type Parsed =
  | { readonly kind: 'header'; readonly header: ProxyHeader; readonly length: number }
  | { readonly kind: 'incomplete' }
  | { readonly kind: HeaderFault; readonly why: string }

/** The longest header that is accepted, in bytes; version 1 has a limit of its own. */
export const maxHeaderBytes = 16_384

const incomplete: Parsed = { kind: 'incomplete' }

const malformed = (why: string): Parsed => ({ kind: 'malformed', why })

/** What each version's header begins with (2.1, 2.2). */
const versions = [
  { signature: Buffer.from('PROXY '), parse: parseText },
  { signature: Buffer.from('\r\n\r\n\0\r\nQUIT\n'), parse: parseBinary },
] as const

/**
 * Parses the header at the beginning of `bytes`, which may be incomplete, or have the client's bytes behind it. Nothing
 * is believed that the specification does not allow, and every input has a result.
 */
export function parseProxyHeader(bytes: Buffer): Parsed {
  for (const { signature, parse } of versions) {
    const compared = Math.min(signature.length, bytes.length)
    if (signature.compare(bytes, 0, compared, 0, compared) !== 0) continue
    return bytes.length < signature.length ? incomplete : parse(bytes)
  }
  return { kind: 'missing', why: 'the first bytes are no PROXY header' }
}

/** A header without anything that a proxy may say besides the client's address. */
export const plain = {
  isLocal: false,
  source: undefined,
  destination: undefined,
  tls: undefined,
  alpn: undefined,
  authority: undefined,
  uniqueId: undefined,
} as const satisfies Partial<ProxyHeader>

// Version 1: a line of text (2.1)

/** The longest line, its CRLF included. */
const maxLineBytes = 107

/** Whether a text is an address, by the protocol's name. */
const families: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['TCP4', isIPv4],
  // A zone means nothing on another host.
  ['TCP6', (text: string) => isIPv6(text) && !text.includes('%')],
])

function parseText(bytes: Buffer): Parsed {
  const end = bytes.subarray(0, maxLineBytes).indexOf('\r\n')
  if (end < 0) {
    return bytes.length < maxLineBytes ? incomplete : malformed('its line does not end in time')
  }
  const length = end + 2
  const [, family = '', ...words] = bytes.toString('latin1', 0, end).split(' ')
  // Whatever follows is to be ignored.
  if (family === 'UNKNOWN') return { kind: 'header', length, header: { version: 1, ...plain } }
  const isAddress = families.get(family)
  if (isAddress === undefined) return malformed('its protocol is none of TCP4, TCP6 and UNKNOWN')
  const [source = '', destination = '', ...ports] = words
  const [sourcePort, destinationPort] = ports.map(portOf)
  const isWhole = ports.length === 2 && isAddress(source) && isAddress(destination)
  if (!isWhole || sourcePort === undefined || destinationPort === undefined) {
    return malformed('its addresses are not two addresses and two ports')
  }
  const header = {
    version: 1,
    ...plain,
    source: { address: canonical(source), port: sourcePort },
    destination: { address: canonical(destination), port: destinationPort },
  } as const
  return { kind: 'header', length, header }
}

/** A port in decimal digits without leading zeros; undefined for any other text. */
function portOf(text: string): number | undefined {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined
}

/** The one spelling of an IP address: each client must be counted under one, and an IPv4 client by its IPv4 address. */
function canonical(address: string): string {
  const { address: spelled } = new SocketAddress({
    address,
    family: isIPv4(address) ? 'ipv4' : 'ipv6',
  })
  return plainAddress(spelled)
}

// Version 2: binary (2.2)

/** The signature, then a byte each for version and command, and for family and protocol, then two for the length. */
const fixedBytes = 16
const commandAt = 12
const familyAt = 13
const lengthAt = 14

/** The addresses of one family. */
interface Family {
  /** The length of both addresses and ports. */
  readonly bytes: number
  addresses(bytes: Buffer): Pick<ProxyHeader, 'source' | 'destination'>
}

const nowhere: Family = {
  bytes: 0,
  addresses: () => ({ source: undefined, destination: undefined }),
}

const ipFamily = (addressBytes: number, textOf: (bytes: Buffer) => string): Family => ({
  bytes: 2 * addressBytes + 4,
  addresses: (bytes) => {
    const [source, destination] = [0, 1].map((at) => ({
      address: textOf(bytes.subarray(at * addressBytes, (at + 1) * addressBytes)),
      port: bytes.readUInt16BE(2 * addressBytes + 2 * at),
    }))
    return { source, destination }
  },
})

/** The length of sun_path. */
const pathBytes = 108

/** By the byte for family and protocol. Only stream protocols can come over a stream. */
const binaryFamilies: Readonly<Record<number, Family>> = {
  0x00: nowhere,
  0x11: ipFamily(4, (bytes) => bytes.join('.')),
  0x21: ipFamily(16, (bytes) => canonical(bytes.toString('hex').replace(/(....)(?!$)/g, '$1:'))),
  0x31: {
    bytes: 2 * pathBytes,
    addresses: (bytes) => ({
      source: { path: pathOf(bytes.subarray(0, pathBytes)) },
      destination: { path: pathOf(bytes.subarray(pathBytes)) },
    }),
  },
}

/** A path ends at its first zero, an abstract name begins with one, which people write as "@". */
function pathOf(bytes: Buffer): string {
  const isAbstract = bytes[0] === 0 && bytes[1] !== 0
  const name = isAbstract ? bytes.subarray(1) : bytes
  const end = name.indexOf(0)
  return `${isAbstract ? '@' : ''}${name.toString('utf8', 0, end < 0 ? name.length : end)}`
}

const commands: Readonly<Record<number, 'local' | 'proxy'>> = { 0x20: 'local', 0x21: 'proxy' }

function parseBinary(bytes: Buffer): Parsed {
  const command = commands[bytes[commandAt] ?? 0x20]
  if (command === undefined) return malformed('its version or command is unknown')
  if (bytes.length < fixedBytes) return incomplete
  const length = fixedBytes + bytes.readUInt16BE(lengthAt)
  if (length > maxHeaderBytes) return malformed(`it is longer than ${maxHeaderBytes} bytes`)
  if (bytes.length < length) return incomplete
  // The rest of the header is to be ignored, whatever it is.
  if (command === 'local') return binary(length, { ...plain, isLocal: true })
  const family = binaryFamilies[bytes[familyAt] ?? -1]
  if (family === undefined) return malformed('its address family or protocol is not supported')
  const fieldsAt = fixedBytes + family.bytes
  if (fieldsAt > length) return malformed('it is too short for its addresses')
  const fields = fieldsOf(bytes.subarray(0, length), fieldsAt)
  if (fields === undefined) return malformed('one of its fields is cut off or wrong')
  const addresses = family.addresses(bytes.subarray(fixedBytes, fieldsAt))
  return binary(length, { ...plain, ...addresses, ...fields })
}

const binary = (length: number, header: Omit<ProxyHeader, 'version'>): Parsed => ({
  kind: 'header',
  length,
  header: { version: 2, ...header },
})

// Fields of version 2: a type, a length, a value (2.2)

/** A field, with the position of its value in the bytes that it was read from. */
interface Field {
  readonly type: number
  readonly at: number
  readonly value: Buffer
}

/** The length of a field's type and length. */
const prefixBytes = 3

/** The fields from `at` to the end; undefined when the last one is cut off. */
function split(bytes: Buffer, at: number): Field[] | undefined {
  const fields: Field[] = []
  let next = at
  while (next < bytes.length) {
    const valueAt = next + prefixBytes
    if (valueAt > bytes.length) return undefined
    const end = valueAt + bytes.readUInt16BE(next + 1)
    if (end > bytes.length) return undefined
    fields.push({ type: bytes[next] ?? 0, at: valueAt, value: bytes.subarray(valueAt, end) })
    next = end
  }
  return fields
}

type Facts = Partial<ProxyHeader>

const maxUniqueIdBytes = 128

/** What a field says, by its type; undefined when its value is wrong. Fields of other types say nothing to us. */
const facts: Readonly<Record<number, (field: Field, header: Buffer) => Facts | undefined>> = {
  0x01: ({ value }) => ({ alpn: value.toString() }),
  0x02: ({ value }) => ({ authority: value.toString() }),
  0x03: (field, header) => (isChecksumOf(header, field) ? {} : undefined),
  0x05: ({ value }) =>
    value.length > maxUniqueIdBytes ? undefined : { uniqueId: Buffer.from(value) },
  0x20: ({ value }) => tlsIn(value),
}

/** Everything that the fields say; undefined when one of them is cut off or wrong. */
function fieldsOf(header: Buffer, at: number): Facts | undefined {
  const fields = split(header, at)
  if (fields === undefined) return undefined
  const sum: Facts = {}
  for (const field of fields) {
    const read = facts[field.type]
    if (read === undefined) continue
    const fact = read(field, header)
    if (fact === undefined) return undefined
    Object.assign(sum, fact)
  }
  return sum
}

const checksumBytes = 4

/** The checksum is that of the whole header with zeros in the checksum's own place. */
function isChecksumOf(header: Buffer, { at, value }: Field): boolean {
  if (value.length !== checksumBytes) return false
  const copy = Buffer.from(header).fill(0, at, at + checksumBytes)
  return crc32c(copy) === value.readUInt32BE()
}

/** The bits of a TLS field's first byte: TLS is in use; a certificate in this connection; one in its TLS session. */
const usesTls = 0x01
const hasPresented = 0x02 | 0x04
/** That byte, and the result of the verification, which is 0 for success. */
const tlsFixedBytes = 5

/** The fields within a TLS field. */
const tlsFacts: Readonly<Record<number, 'protocol' | 'commonName' | 'cipher'>> = {
  0x21: 'protocol',
  0x22: 'commonName',
  0x23: 'cipher',
}

function tlsIn(value: Buffer): Facts | undefined {
  if (value.length < tlsFixedBytes) return undefined
  const fields = split(value, tlsFixedBytes)
  if (fields === undefined) return undefined
  const bits = value.readUInt8()
  if ((bits & usesTls) === 0) return {}
  const texts: Partial<Record<'protocol' | 'commonName' | 'cipher', string>> = {}
  for (const field of fields) {
    const name = tlsFacts[field.type]
    if (name !== undefined) texts[name] = field.value.toString()
  }
  const { protocol, cipher, commonName } = texts
  const hasCertificate = (bits & hasPresented) !== 0
  const isVerified = hasCertificate && value.readUInt32BE(1) === 0
  return { tls: { protocol, cipher, commonName, hasCertificate, isVerified } }
}
