import type { DestinationStream } from 'pino'
import { TokenBucket } from '../token-bucket.ts'
import { lines } from './lines.ts'
import type { Logger } from './logger.ts'

/** The worker that prints. */
export interface Printer {
  readonly number: number
  readonly generation: number
  readonly pid: number | undefined
}

/** Receives the chunks of a process's two output streams. */
export interface OutputSink {
  readonly stdout: (chunk: Buffer) => void
  readonly stderr: (chunk: Buffer) => void
}

/** The beginning of a line from our own logger. */
const structured = Buffer.from('{"level":')

/** The number of lines logged per second, for each worker and for all together; bursts may be twice as large. */
const linesPerSecond = { each: 1_000, all: 4_000 }
/** The number of bytes in a line that cost as much as another line. */
const bytesPerLine = 1_024
/** How long dropped lines are counted before their number is logged, in milliseconds. */
const summaryMs = 1_000

/**
 * Writes the workers' output to the service's log: structured lines unchanged, anything else (`console.log` in an
 * app, the runtime's last words) as a line of its own that names the worker.
 *
 * The primary writes the log itself, synchronously, and hands out no connections while it does. So a worker that
 * prints without end loses lines, which are counted. Holding it up instead would block its event loop while it
 * prints, which the watchdog would take for a hang.
 */
export class WorkerOutput {
  readonly #destination: DestinationStream
  readonly #log: Logger
  readonly #all = new TokenBucket(2 * linesPerSecond.all, linesPerSecond.all)

  constructor(destination: DestinationStream, log: Logger) {
    this.#destination = destination
    this.#log = log
  }

  /** Creates the sink for the output of one process. */
  open(printer: Printer): OutputSink {
    const own = new TokenBucket(2 * linesPerSecond.each, linesPerSecond.each)
    const dropped = this.#counter(printer)
    const listener = (stream: keyof OutputSink) =>
      lines((line) => {
        const cost = 1 + line.length / bytesPerLine
        const fits = own.take(cost) && this.#all.take(cost)
        if (fits) this.#write(printer, line, stream)
        else dropped(1)
        return fits
      }, dropped)
    return { stdout: listener('stdout'), stderr: listener('stderr') }
  }

  #counter({ number: slot, generation, pid: workerPid }: Printer): (count: number) => void {
    let dropped = 0
    const say = () => {
      const message = `Dropped ${dropped} lines that worker ${slot} printed; the log takes ${linesPerSecond.each} lines a second from one worker, and ${linesPerSecond.all} from all of them`
      this.#log.warn({ slot, generation, workerPid, dropped }, message)
      dropped = 0
    }
    return (count) => {
      if (dropped === 0) setTimeout(say, summaryMs).unref()
      dropped += count
    }
  }

  #write(printer: Printer, line: Buffer, stream: keyof OutputSink): void {
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
