import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

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

/** Whether one connection to the port gets its line back. */
function echoes(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
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
 * Waits until a server echoes on the port.
 *
 * @throws Error when it does not echo within `limitMs`, and the signal's reason when that is aborted
 */
export async function untilEchoes(
  port: number,
  signal: AbortSignal,
  limitMs = 15_000,
): Promise<void> {
  const giveUpAt = performance.now() + limitMs
  while (!(await echoes(port))) {
    signal.throwIfAborted()
    if (performance.now() > giveUpAt) {
      throw new Error(`Nothing echoes on port ${port} after ${limitMs / 1000} s`)
    }
    await delay(25)
  }
}
