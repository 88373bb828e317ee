/**
 * The plain server that people write first: node:net, a buffer until CRLF, the echo, the end. The pm2 and
 * node:cluster targets run this very file, so they differ only in their supervisor.
 * Its one argument is the port.
 */
import { createServer, type Socket } from 'node:net'

function serve(socket: Socket): void {
  let received: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    if (socket.writableEnded) return
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    if (received.includes('\r\n')) socket.end(received)
  })
  // A client that resets ends only its own connection.
  socket.on('error', () => socket.destroy())
}

createServer(serve).listen(Number(process.argv[2]), '127.0.0.1')
