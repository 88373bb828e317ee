/** The parts of a message's first segment, MSH, that an acknowledgement needs (HL7 2.5.1, 2.15.9). */
export interface Header {
  /** The character between fields, and the field with the other delimiters. */
  readonly separator: string
  readonly delimiters: string
  readonly sendingApplication: string
  readonly sendingFacility: string
  readonly receivingApplication: string
  readonly receivingFacility: string
  /** Message type, such as ADT^A01. */
  readonly type: string
  readonly controlId: string
  readonly processingId: string
  readonly version: string
}

/** The header of an acknowledgement for a message that has none. */
export const unknownHeader: Header = {
  separator: '|',
  delimiters: '^~\\&',
  sendingApplication: '',
  sendingFacility: '',
  receivingApplication: '',
  receivingFacility: '',
  type: '',
  controlId: '',
  processingId: 'P',
  version: '2.5.1',
}

/** MSH in any message: the segment's name, a separator, and at least the four delimiters that every version has. */
const start = /^MSH([^\w\s])([^\w\s]{4,5})\1/

/** The header of a message; undefined when it does not begin with MSH. Only ASCII is looked at, so bytes stay as they are. */
export function headerOf(message: Buffer): Header | undefined {
  const end = message.indexOf('\r')
  const segment = message.toString('latin1', 0, end < 0 ? message.length : end)
  const [whole, separator = '', delimiters = ''] = start.exec(segment) ?? []
  if (whole === undefined) return undefined
  // The separator itself is MSH-1, so the first of these is MSH-3.
  const fields = segment.slice(whole.length).split(separator)
  const field = (number: number) => fields[number - 3] ?? ''
  return {
    separator,
    delimiters,
    sendingApplication: field(3),
    sendingFacility: field(4),
    receivingApplication: field(5),
    receivingFacility: field(6),
    type: field(9),
    controlId: field(10),
    processingId: field(11),
    version: field(12),
  }
}

/** The longest id that version 2.5.1 and later know; earlier ones have 20 characters. */
const maxIdLength = 199

/** What is wrong with a header, in a few words; undefined when nothing is. */
export function faultOf({ type, controlId, version }: Header): string | undefined {
  if (type === '') return 'MSH-9, the message type, is missing'
  if (controlId === '') return 'MSH-10, the message control id, is missing'
  if (controlId.length > maxIdLength) return `MSH-10 has more than ${maxIdLength} characters`
  if (!version.startsWith('2.')) return 'MSH-12, the version, is not 2.x'
  return undefined
}
