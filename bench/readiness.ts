import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectSecurely } from 'node:tls'
import type { Setup } from './targets/target.ts'

/** A currently free port of 127.0.0.1. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('Got no free port')
  return address.port
}

type Place = Pick<Setup, 'port' | 'tls'>

/** Whether one connection to the port gets its line back. */
function echoes({ port, tls }: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const at = { port, host: '127.0.0.1' }
    const socket =
      tls === undefined ? connect(at) : connectSecurely({ ...at, rejectUnauthorized: false })
    let answer = ''
    socket.setTimeout(1000, () => socket.destroy())
    socket.on('connect', () => socket.write('ready?\r\n'))
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1')
    })
    // A refusal is the usual case here and not worth a message: 'close' follows and resolves with false.
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer === 'ready?\r\n'))
  })
}

/**
 * Waits until a server echoes on its port.
 *
 * @throws Error when it does not echo within `limitMs`, and the signal's reason when that is aborted
 */
export async function untilEchoes(
  place: Place,
  signal: AbortSignal,
  limitMs = 15_000,
): Promise<void> {
  const giveUpAt = performance.now() + limitMs
  while (!(await echoes(place))) {
    signal.throwIfAborted()
    if (performance.now() > giveUpAt) {
      throw new Error(`Nothing echoes on port ${place.port} after ${limitMs / 1000} s`)
    }
    await delay(25)
  }
}
