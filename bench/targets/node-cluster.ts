import { clusterPrimary } from '../paths.ts'
import { untilEchoes } from '../readiness.ts'
import { spawnServer } from './child.ts'
import type { Target } from './target.ts'

/**
 * The echo server under bare node:cluster.
 *
 * @param policy `rr`, the default on Linux: the primary accepts and hands over in turn; `none`: the workers accept
 */
function clusterTarget(name: Target['name'], policy: 'rr' | 'none'): Target {
  return {
    name,
    hasWorkers: true,
    canReload: false,
    hasTls: false,
    async start({ port, workers }, signal) {
      const args = [clusterPrimary, String(port), String(workers), policy]
      const server = spawnServer(process.execPath, args, true)
      try {
        await server.untilReady(server.firstMessage)
        await server.untilReady(untilEchoes({ port }, signal))
      } catch (error) {
        await server.stop()
        throw error
      }
      return server
    },
  }
}

export const nodeCluster = clusterTarget('node-cluster', 'rr')
export const nodeClusterNone = clusterTarget('node-cluster-none', 'none')
