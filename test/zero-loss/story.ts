import type { Violation } from './ledger.ts'

/** What a person needs to know of a connection that ended badly: its client's view, and what the service's log says of it. */
export function storyOf({ connection, overlapped }: Violation, log: string): string {
  const { id, kind, way, address, begunMs, delayMs, outcome } = connection
  const { receivedBytes, expectedBytes } = connection
  const after = (ms: number | null) => {
    if (ms === null) return 'never'
    const sinceMs = Math.round(ms - begunMs)
    return `${sinceMs < 0 ? '' : '+'}${sinceMs} ms`
  }
  const events = overlapped.map(({ event, fromMs, toMs }) => {
    const end = toMs === Infinity ? 'not over' : `over ${after(toMs)}`
    return `${event.name} (began ${after(fromMs)}, ${end})`
  })
  const story = [
    `${outcome}: ${kind} connection ${id} by ${way} from ${address || 'nowhere'}, handler ${delayMs} ms`,
    `connected ${after(connection.connectedMs)}, first byte ${after(connection.firstByteMs)}`,
    `ended ${after(connection.endedMs)} with ${receivedBytes} of ${expectedBytes} bytes`,
    `during ${events.join(' and ') || 'no event'}`,
  ].join('; ')
  const logged = address === '' ? [] : log.split('\n').filter((line) => line.includes(address))
  return [story, ...logged].join('\n')
}
