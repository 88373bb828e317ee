import { Alarm } from '../../../src/worker/alarm.ts'
import { Connection, type ConnectionLimits } from '../../../src/worker/connection.ts'
import type {
  Chunk,
  Receiver,
  SecurableTransport,
  Transport,
} from '../../../src/worker/transport.ts'
import { generous } from './connected.ts'

/** A transport whose other end is the test: without sockets, so that a hundred thousand connections take seconds. */
export class MemoryTransport implements Transport {
  readonly remote = { address: '192.0.2.1', port: 40_000 }
  readonly local = { address: '192.0.2.2', port: 43 }
  readonly tls = undefined
  bytesRead = 0
  readonly bytesWritten = 0
  isPaused = false
  readonly sent: (readonly Chunk[])[] = []
  #receiver: Receiver | undefined

  deliver(chunk: Buffer): void {
    this.bytesRead += chunk.length
    this.#receiver?.receive(chunk)
  }

  endInput(): void {
    this.#receiver?.endInput()
  }

  open(receiver: Receiver): void {
    this.#receiver = receiver
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  write(chunks: readonly Chunk[], onSent: (error?: Error | null) => void): void {
    this.sent.push(chunks)
    queueMicrotask(() => onSent())
  }

  end(onEnded: () => void): void {
    queueMicrotask(onEnded)
  }

  setNoDelay(): void {}

  setKeepAlive(): void {}

  forTls(): SecurableTransport {
    throw new Error('There is no TLS in memory')
  }

  destroy(): void {}

  conclude(): void {}
}

const alarms = { read: new Alarm(1), deadline: new Alarm(1), handshake: new Alarm(1) }
// Nothing here waits for the clock.
for (const alarm of Object.values(alarms)) alarm.set = () => {}

/** A connection over such a transport, without limits of time. */
export function inMemory(limits: Partial<ConnectionLimits> = {}) {
  const transport = new MemoryTransport()
  return { transport, connection: new Connection(1, transport, { ...generous, ...limits }, alarms) }
}
