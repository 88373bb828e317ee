import type { Clock } from '../clock.ts'
import type { Progress } from '../ipc/progress.ts'
import type { Arrival, Handler, Intake } from '../worker/intake.ts'
import { Lingerers } from '../worker/linger.ts'
import { type SocketOptions, SocketTransport } from '../worker/socket-transport.ts'
import type { MemorySocket } from './memory-socket.ts'

/** How clients of the kit come to its worker: without a primary, hence without claims. */
export class MemoryIntake implements Intake {
  readonly #handler: Handler
  readonly #settings: SocketOptions
  readonly #lingerers: Lingerers
  readonly #onEnded: (report: Progress) => void

  constructor(
    handler: Handler,
    settings: SocketOptions,
    clock: Clock,
    onEnded: (report: Progress) => void,
  ) {
    this.#handler = handler
    this.#settings = settings
    this.#lingerers = new Lingerers(settings.lingerMs, clock)
    this.#onEnded = onEnded
  }

  /** Gives the worker a connection; it must have no other. */
  receive(id: number, socket: MemorySocket, arrival: Arrival): void {
    const transport = new SocketTransport(socket, this.#settings, this.#lingerers)
    this.#handler.begin(id, transport, arrival)
  }

  record(report: Progress): void {
    this.#onEnded(report)
  }

  /** Clients say themselves what their endpoint has. */
  serveFrom(): void {}

  /** The app hands over the next client when it has the report. */
  next(): void {}

  close(): void {}

  settled(): Promise<void> {
    return this.#lingerers.settled()
  }
}
