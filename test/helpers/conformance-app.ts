import { type Connection, defineApp, LineTooLongError } from '../../src/index.ts'

const megabyte = 1_048_576

/** An app with a behaviour for each first line, to be run by a service and by the test kit. */
export default defineApp({
  async handle(connection) {
    const first = await connection.readLine()
    switch (first?.toString().trim()) {
      case 'echo':
        for await (const line of connection) await connection.write(line)
        return
      case 'count': {
        let bytes = 0
        for (let part = await connection.read(); part !== null; part = await connection.read())
          bytes += part.length
        await connection.write(`${bytes}`)
        return
      }
      case 'first':
        await connection.write('one line is enough')
        return
      case 'long':
        try {
          await connection.readLine()
        } catch (error) {
          if (!(error instanceof LineTooLongError)) throw error
          await connection.write('too long')
        }
        return
      case 'flood':
        for (let sent = 0; sent < 8; sent += 1) await connection.write(Buffer.alloc(megabyte))
        return
      case 'lazy':
        // Not awaited: the worker flushes it.
        void connection.write('flushed')
        return
      case 'patient':
        await connection.readLine().catch(() => connection.write('too late'))
        return
      case 'stubborn':
        await new Promise((_, reject) => {
          connection.signal.addEventListener('abort', () =>
            reject(connection.signal.reason as Error),
          )
        })
        return
      case 'who':
        await connection.write(told(connection))
        for await (const line of connection) await connection.write(line)
        return
      case 'tls':
        await connection.write('go')
        await connection.startTls()
        await connection.write(told(connection))
        for await (const line of connection) await connection.write(line)
        return
      case 'throw':
        await connection.write('before')
        throw new Error('on purpose')
      case undefined:
        return
      default:
        await connection.readLine()
    }
  },
})

/** All that a connection tells of itself. */
function told({ remote, local, proxy, tls }: Connection): string {
  const { uniqueId, ...header } = proxy ?? {}
  const { peerCertificate, ...agreed } = tls ?? {}
  const peer = peerCertificate?.subject
  const addresses = proxy === undefined ? {} : { remote, local }
  const id = uniqueId?.toString()
  return JSON.stringify({ ...addresses, header, id, agreed, peer })
}
