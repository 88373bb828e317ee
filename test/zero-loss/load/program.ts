/** The clients, in a process of their own: what keeps the test busy does not delay them. Told what to do by messages. */
import { deal } from '../../helpers/deck.ts'
import { randomFrom } from '../../helpers/random.ts'
import { ClientConnection } from './connection.ts'
import type { FromLoad, Settled, Special, Stream, ToLoad } from './messages.ts'
import type { Way } from './way.ts'

/** How often what has ended is reported, in milliseconds. */
const reportEveryMs = 50
/** So many open connections mean that the service answers nobody: to open more would only bury it. */
const maxOpen = 600

let random = randomFrom(0)
/** The ways in turn: all of them, and those on which a client has an address of its own. */
let allWays: Iterator<Way> | undefined
let addressedWays: Iterator<Way> | undefined
let lastId = 0
let open = 0
let isStopping = false
const timers: NodeJS.Timeout[] = []
let settled: Settled[] = []

process.on('message', (message: ToLoad) => {
  switch (message.kind) {
    case 'start':
      random = randomFrom(message.seed)
      allWays = deal(message.ways, random)
      addressedWays = deal(
        message.ways.filter(({ name }) => name !== 'unix'),
        random,
      )
      for (const stream of message.streams) {
        timers.push(setInterval(() => beginOne(stream), stream.everyMs))
      }
      timers.push(setInterval(report, reportEveryMs))
      return
    case 'open':
      begin(addressedWays, 'special', message.special, 100, message.ticket)
      return
    case 'stop':
      isStopping = true
      for (const timer of timers) clearInterval(timer)
      endWhenDone()
      return
  }
})
// Typed at the terminal it reaches every process there; the one that started this decides when it ends.
process.on('SIGINT', () => {})
// Whoever wanted the load is gone.
process.on('disconnect', () => process.exit(isStopping ? 0 : 1))

function beginOne({ kind, delayMs: [least, most], payloadBytes }: Stream): void {
  if (open >= maxOpen) return
  const delayMs = Math.round(least + random() * (most - least))
  begin(
    allWays,
    kind,
    { pace: 'silent', delayMs, holdOpenMs: 0 },
    Math.ceil(random() * payloadBytes),
  )
}

function begin(
  ways: Iterator<Way> | undefined,
  kind: string,
  special: Special,
  payloadBytes: number,
  ticket?: number,
): void {
  const way = ways?.next().value
  if (way === undefined) throw new Error('Expected the message "start" first')
  const { pace, delayMs, holdOpenMs } = special
  lastId += 1
  open += 1
  const payload = lastId.toString(36).repeat(payloadBytes).slice(0, payloadBytes)
  const tell = (what: 'answering' | 'answered') => (address: string) => {
    if (ticket !== undefined) send({ kind: what, ticket, address })
  }
  const connection = new ClientConnection({
    way,
    kind,
    ask: { id: lastId, pace, delayMs, payload },
    holdOpenMs,
    onFirstByte: tell('answering'),
    onEnd: tell('answered'),
    onSettled(one) {
      open -= 1
      settled.push(one)
      if (isStopping) endWhenDone()
    },
  })
  void connection
}

function report(): void {
  if (settled.length === 0) return
  send({ kind: 'settled', connections: settled })
  settled = []
}

function endWhenDone(): void {
  if (open > 0) return
  send({ kind: 'settled', connections: settled }, () => process.disconnect())
}

function send(message: FromLoad, onSent: () => void = () => {}): void {
  process.send?.(message, undefined, {}, onSent)
}
