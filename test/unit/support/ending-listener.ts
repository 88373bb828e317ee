import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { isRunning } from '../../../src/process/is-running.ts'

/**
 * A process that listens on a Unix socket and accepts nothing.
 *
 * @returns kills it; this process hears of nothing before it has ended
 */
export async function endingListener(t: TestContext, path: string): Promise<() => void> {
  const program = `
    const server = require('net').createServer().listen(${JSON.stringify(path)}, () => {
      require('fs').writeSync(1, 'listening')
      for (;;);
    })`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return () => {
    child.kill('SIGKILL')
    while (isRunning(child.pid ?? 0));
  }
}
