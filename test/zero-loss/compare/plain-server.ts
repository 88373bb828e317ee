import cluster from 'node:cluster'
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline/promises'
import { pathToFileURL } from 'node:url'
import type { AppConnection } from '../app.ts'

/** The same app as helloserver's workers load. */
interface PlainApp {
  setup?(): Promise<void> | void
  handle(connection: AppConnection): Promise<void> | void
}

/**
 * The same app on a server as pm2's documentation wants it: it says that it is ready when it listens, and on
 * pm2's word it takes no more connections, answers those that it has, and exits.
 */
export async function serve(): Promise<void> {
  const { port } = JSON.parse(readFileSync(setting('HELLOSERVER_CONFIG'), 'utf8')) as {
    port: number
  }
  const module: unknown = await import(pathToFileURL(setting('PLAIN_APP')).href)
  const app = (module as { default: PlainApp }).default
  await app.setup?.()
  const server = createServer({ noDelay: true }, (socket) => void answer(app, socket))
  server.listen(port, '127.0.0.1', () => process.send?.('ready'))
  // Node's own way to leave a cluster: a connection that is on its way to this process goes back to pm2, where
  // an exit as soon as the server is closed would leave it hanging.
  process.once('disconnect', () => process.exit(0))
  const drain = () => server.close(() => cluster.worker?.disconnect())
  process.on('SIGINT', drain)
  process.on('message', (message) => {
    if (message === 'shutdown') drain()
  })
}

async function answer(app: PlainApp, socket: Socket): Promise<void> {
  // A client that is gone is its own loss.
  socket.on('error', () => socket.destroy())
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  await app.handle({
    async readLine() {
      const next = await lines.next()
      return next.done === true ? null : Buffer.from(`${next.value}\r\n`, 'latin1')
    },
    write: (text) => new Promise((resolve) => socket.write(text, 'latin1', () => resolve())),
  })
  socket.end()
}

function setting(key: string): string {
  const value = process.env[key]
  if (value === undefined) throw new Error(`The environment has no ${key}`)
  return value
}
