import type { DestinationStream } from 'pino'
import type { Logger } from './logger.ts'

/** Who printed a line. */
interface Printer {
  readonly number: number
  readonly generation: number
  readonly pid: number | undefined
}

/** What our own logger's lines begin with. */
const structured = Buffer.from('{"level":')

/**
 * Puts what workers print into the service's log: their structured lines as they are, anything else
 * (`console.log` in an app, the runtime's last words) as a line of its own that says who printed it.
 */
export class WorkerOutput {
  readonly #destination: DestinationStream
  readonly #log: Logger

  constructor(destination: DestinationStream, log: Logger) {
    this.#destination = destination
    this.#log = log
  }

  write(printer: Printer, line: Buffer, stream: 'stdout' | 'stderr'): void {
    const text = line.toString('utf8')
    if (line.subarray(0, structured.length).equals(structured)) {
      this.#destination.write(`${text}\n`)
      return
    }
    const { number: slot, generation, pid: workerPid } = printer
    const level = stream === 'stdout' ? 'info' : 'error'
    this.#log[level]({ slot, generation, workerPid, stream }, text)
  }
}
