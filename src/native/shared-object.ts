import { readRegularFile } from '../files/read-text.ts'

/** What a 64-bit, little-endian file begins with; its other numbers have other places in other kinds (elf(5)). */
const kind = Buffer.from('\x7fELF\x02\x01', 'latin1')
const headerBytes = 64
/** The places of the offset, the size of an entry, and the number of entries of the table of sections. */
const sections = { offset: 40, entryBytes: 58, entries: 60 } as const

/**
 * Whether a shared object is as long as its header says, since linkers write the table of its sections last. Loading one
 * that was cut short, by a copy that ran out of room, throws nothing: the system ends the process with SIGBUS (mmap(2)).
 *
 * A file of another kind counts as whole: loading it throws.
 *
 * @throws Error when the file cannot be read, or is none, such as a FIFO
 */
export function isWhole(path: string): boolean {
  const file = readRegularFile(path)
  if (!file.subarray(0, kind.length).equals(kind) || file.length < headerBytes) return true
  const tableBytes = file.readUInt16LE(sections.entryBytes) * file.readUInt16LE(sections.entries)
  return file.length >= Number(file.readBigUInt64LE(sections.offset)) + tableBytes
}
