import { maxTextLength } from './syslog-target.ts'

/** LOCAL0, the facility of the C program; the severities of RFC 5424, section 6.2.1. */
const local0 = 16
const severities: Readonly<Record<string, number>> = { fatal: 2, error: 3, warn: 4, info: 6 }
const debug = 7

/**
 * Converts a log line to logger(1)'s input: the priority, the message, and the fields as JSON. The fields that syslog
 * itself adds (time, service, the primary's process) are left out.
 */
export function syslogLine(line: string): string {
  const { level, msg, ...fields } = parsed(line)
  const priority = local0 * 8 + (severities[String(level)] ?? debug)
  const shown = Object.entries(fields).filter(([name]) => !known.has(name))
  if (fields['role'] === 'worker') shown.push(['workerPid', fields['pid']])
  const text = `${typeof msg === 'string' ? `${msg} ` : ''}${JSON.stringify(Object.fromEntries(shown))}`
  // A newline would begin another line with a priority of its own.
  return `<${priority}>${text.replace(/[\r\n]+/g, ' ').slice(0, maxTextLength)}\n`
}

const known: ReadonlySet<string> = new Set(['time', 'service', 'pid'])

/** A worker's output may look like a log line without being one, or be part of one. */
function parsed(line: string): Fields {
  try {
    return JSON.parse(line) as Fields
  } catch {
    return { level: 'info', msg: line }
  }
}

type Fields = Readonly<Record<string, unknown>>
