import type { Header } from './header.ts'

/**
 * The codes of MSA-1 (HL7 table 0008): the message is stored; its content is wrong; it was not accepted for another
 * reason, and may be sent again.
 */
export type Code = 'AA' | 'AE' | 'AR'

/**
 * The acknowledgement of a message (HL7 2.9.2), with the ends exchanged, in the message's own delimiters.
 *
 * @param id - MSH-10 of the acknowledgement itself
 * @param reason - why the message was not accepted
 */
export function acknowledgement(
  message: Header,
  code: Code,
  id: string,
  reason = '',
  now = new Date(),
): Buffer {
  const { separator, delimiters, type, controlId, processingId, version } = message
  const [component = '^'] = delimiters
  const [, event] = type.split(component)
  const header = [
    `MSH${separator}${delimiters}`,
    message.receivingApplication,
    message.receivingFacility,
    message.sendingApplication,
    message.sendingFacility,
    timestamp(now),
    '',
    event === undefined ? 'ACK' : `ACK${component}${event}`,
    id,
    processingId,
    version,
  ]
  const outcome = ['MSA', code, controlId, ...(reason === '' ? [] : [reason])]
  const segments = [header, outcome].map((fields) => `${fields.join(separator)}\r`)
  return Buffer.from(segments.join(''), 'latin1')
}

/** A time in HL7's form, in UTC. */
function timestamp(now: Date): string {
  return `${now
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replace(/\D/g, '')}+0000`
}
