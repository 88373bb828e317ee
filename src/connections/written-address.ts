import { isIPv6 } from 'node:net'
import type { Remote } from '../ipc/socket-handle.ts'
import { addressBytes } from '../native/native.ts'

/** Families of addresses on Linux (socket(2)), and where the address is in a `sockaddr` of each (ip(7), ipv6(7)). */
const ipv4 = { family: 2, addressAt: 4 } as const
const ipv6 = { family: 10, addressAt: 8, length: 16 } as const
const portAt = 2

/** The room for a client as text in Latin-1: an address as `accept` writes it, or a path. */
export const writtenBytes = 128
/** Stands before a path, where an address has its family. */
const pathMark = Buffer.of(0xff, 0xff)
const terminator = Buffer.of(0)

/**
 * A client in Latin-1: its address as `accept` writes it, or its path, which a proxy has named, for `pathIn`.
 */
export function writtenClient({ address, port, path }: Remote): string {
  if (address === undefined) return writtenPath(path)
  const written = Buffer.alloc(addressBytes)
  const { family, addressAt } = isIPv6(address) ? ipv6 : ipv4
  written.writeUInt16LE(family)
  written.writeUInt16BE(port, portAt)
  const bytes = family === ipv6.family ? bytesOfIPv6(address) : bytesOfIPv4(address)
  bytes.copy(written, addressAt)
  return written.toString('latin1')
}

/** A path has at most 108 bytes. Those that are not UTF-8 take three each as text: then the end is cut off. */
function writtenPath(path: string): string {
  const room = writtenBytes - pathMark.length - terminator.length
  const bytes = Buffer.from(path).subarray(0, room)
  return Buffer.concat([pathMark, bytes, terminator]).toString('latin1')
}

/** The path that `writtenClient` has written; undefined for an address. */
export function pathIn(written: Buffer): string | undefined {
  if (!written.subarray(0, pathMark.length).equals(pathMark)) return undefined
  const end = written.indexOf(terminator, pathMark.length)
  return written.toString('utf8', pathMark.length, end < 0 ? written.length : end)
}

const bytesOfIPv4 = (address: string) => Buffer.from(address.split('.').map(Number))

/** The text forms of RFC 4291, 2.2. */
function bytesOfIPv6(address: string): Buffer {
  const bytes = Buffer.alloc(ipv6.length)
  const [before, after] = address.split('::').map(bytesOfWords)
  before?.copy(bytes)
  after?.copy(bytes, ipv6.length - after.length)
  return bytes
}

function bytesOfWords(text: string): Buffer {
  const words = text === '' ? [] : text.split(':')
  return Buffer.concat(
    words.map((word) =>
      word.includes('.') ? bytesOfIPv4(word) : Buffer.from(word.padStart(4, '0'), 'hex'),
    ),
  )
}
