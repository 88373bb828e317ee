import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { loadConfig } from '../../../src/config/load.ts'
import type { ControlTarget } from '../../../src/control/protocol.ts'
import { ControlServer } from '../../../src/control/server.ts'
import { LocalFleet } from '../../../src/fleet/local-fleet.ts'
import type { Status } from '../../../src/status.ts'
import { tempFolder } from './temp-folder.ts'

/** What a service's control socket is given; a test replaces what it looks at. */
export function target(changes: Partial<ControlTarget> = {}): ControlTarget {
  return {
    config: loadConfig('helloserver', {}),
    status: () => ({ name: 'test', state: 'serving' }) as Status,
    reload: async () => ({ at: '', outcome: 'done', reason: null, durationMs: 1 }),
    upgrade: async () => ({ at: '', outcome: 'done', reason: null, durationMs: 1 }),
    programId: 'aaaaaaaaaaaa',
    program: { path: '/x/primary.js', file: '/x/primary.js', environmentDigest: 'b' },
    stop: async () => ({ dropped: 0 }),
    scale: async () => {},
    restartObstacle: async () => null,
    fleetOperations: new LocalFleet().operations,
    logAt: () => {},
    ...changes,
  }
}

/** A control server on a real socket of its own. */
export async function listening(
  t: TestContext,
  changes?: Partial<ControlTarget>,
): Promise<{ readonly server: ControlServer; readonly path: string }> {
  const path = join(tempFolder(t), 'sock')
  const server = new ControlServer(target(changes), () => {})
  await server.bind(path)
  server.publish()
  t.after(async () => {
    server.close()
    await server.farewell()
  })
  return { server, path }
}

/** A raw connection to a Unix socket. */
export async function rawClient(t: TestContext, path: string): Promise<Socket> {
  const socket = connect(path)
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}
