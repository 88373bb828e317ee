import { untilEchoes } from '../readiness.ts'
import { spawnServer } from './child.ts'
import type { Target } from './target.ts'

/**
 * The iterative C server: one process, one connection at a time.
 *
 * @param program path of the compiled server
 */
export function cIterative(program: string): Target {
  return {
    name: 'c-iterative',
    hasWorkers: false,
    canReload: false,
    hasTls: false,
    async start({ port }, signal) {
      const server = spawnServer(program, ['--port', String(port)], false)
      try {
        await server.untilReady(untilEchoes({ port }, signal))
      } catch (error) {
        await server.stop()
        throw error
      }
      return server
    },
  }
}
