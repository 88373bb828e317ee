/**
 * The plain server that people write first: node:net, a buffer until CRLF, the echo, the end. The pm2 and
 * node:cluster targets run this very file, so they differ only in their supervisor.
 * Its arguments are the port and, for TLS, the files of a certificate and its key.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createServer as createSecureServer } from 'node:tls'
import { perform, workIn } from '../work.ts'

async function workAndAnswer(socket: Socket, line: Buffer): Promise<void> {
  const work = workIn(line)
  if (work !== null) await perform(work)
  socket.end(line)
}

function serve(socket: Socket): void {
  let received: Buffer = Buffer.alloc(0)
  let isWhole = false
  socket.on('data', (chunk) => {
    if (isWhole) return
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    isWhole = received.includes('\r\n')
    if (isWhole) void workAndAnswer(socket, received)
  })
  // A client that resets ends only its own connection.
  socket.on('error', () => socket.destroy())
}

const [, , port, cert, key] = process.argv
const server =
  cert === undefined || key === undefined
    ? createServer(serve)
    : createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, serve)
server.listen(Number(port), '127.0.0.1')
