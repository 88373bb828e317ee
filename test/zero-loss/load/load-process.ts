import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Deferred, deferred } from '../../../src/async/deferred.ts'
import type { Cleanup } from '../../helpers/cleanup.ts'
import { within } from '../../helpers/wait-for.ts'
import type { FromLoad, Settled, Special, Stream, ToLoad } from './messages.ts'
import type { Way } from './way.ts'

const program = fileURLToPath(new URL('./program.js', import.meta.url))

/** Short, slow and long connections, whose handlers keep about two workers of four busy. */
export const usualStreams: readonly Stream[] = [
  { kind: 'short', everyMs: 10, delayMs: [0, 0], payloadBytes: 900 },
  { kind: 'slow', everyMs: 300, delayMs: [50, 500], payloadBytes: 900 },
  { kind: 'long', everyMs: 3_000, delayMs: [2_300, 2_500], payloadBytes: 100 },
]

/** A connection that was asked for, and whose answer has begun. */
export interface OpenConnection {
  /** The client's address, which tells the worker that has it. */
  readonly address: string
  /** Resolves when the client has read the answer to its end. */
  readonly answered: Promise<unknown>
}

/** Constant load on a service, from a process of its own. */
export class LoadProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #onSettled: (connection: Settled) => void
  readonly #tickets = new Map<number, Record<'answering' | 'answered', Deferred<string>>>()
  #lastTicket = 0

  constructor(t: Cleanup, onSettled: (connection: Settled) => void) {
    this.#onSettled = onSettled
    this.#child = fork(program, { serialization: 'advanced' })
    this.#exited = once(this.#child, 'exit')
    this.#child.on('message', (message) => this.#receive(message as FromLoad))
    t.after(async () => {
      this.#child.kill('SIGKILL')
      await this.#exited
    })
  }

  start(ways: readonly Way[], seed: number, streams: readonly Stream[]): void {
    this.#send({ kind: 'start', ways, seed, streams })
  }

  /** Opens one connection beside the streams; resolves with the first byte of its answer. */
  async open(special: Special): Promise<OpenConnection> {
    this.#lastTicket += 1
    const ticket = { answering: deferred<string>(), answered: deferred<string>() }
    this.#tickets.set(this.#lastTicket, ticket)
    this.#send({ kind: 'open', ticket: this.#lastTicket, special })
    const address = await within('the first byte of an answer', ticket.answering.promise)
    return { address, answered: ticket.answered.promise }
  }

  /** Begins no more connections; resolves when all that were open have ended. */
  async stop(): Promise<void> {
    this.#send({ kind: 'stop' })
    await within('the end of the load', this.#exited)
  }

  #receive(message: FromLoad): void {
    switch (message.kind) {
      case 'settled':
        for (const connection of message.connections) this.#onSettled(connection)
        return
      case 'answering':
      case 'answered':
        this.#tickets.get(message.ticket)?.[message.kind].resolve(message.address)
        if (message.kind === 'answered') this.#tickets.delete(message.ticket)
        return
    }
  }

  #send(message: ToLoad): void {
    this.#child.send(message)
  }
}
