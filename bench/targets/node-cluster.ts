import { clusterPrimary } from '../paths.ts'
import { untilEchoes } from '../readiness.ts'
import { spawnServer } from './child.ts'
import type { Target } from './target.ts'

/** The echo server under bare node:cluster. */
export const nodeCluster: Target = {
  name: 'node-cluster',
  async start(port, signal) {
    const server = spawnServer(process.execPath, [clusterPrimary, String(port)], true)
    try {
      await server.untilReady(server.firstMessage)
      await server.untilReady(untilEchoes(port, signal))
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  },
}
