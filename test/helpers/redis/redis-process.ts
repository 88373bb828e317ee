import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Host } from '../network.ts'
import { waitFor } from '../wait-for.ts'

export interface Launch {
  readonly program: 'redis-server' | 'redis-sentinel'
  readonly args: readonly string[]
  readonly folder: string
  readonly host: Host | undefined
  readonly environment?: NodeJS.ProcessEnv | undefined
  /** Whether the process answers yet. */
  isReady(): Promise<boolean>
}

/** A Redis process that answers. */
export interface RedisProcess {
  readonly pid: number
  /** Kills the process without warning; resolves when it is gone. */
  kill(): Promise<void>
}

export async function launch(wanted: Launch): Promise<RedisProcess> {
  const { program, folder, host, environment } = wanted
  // A test that is killed cannot clean up: its servers end with it.
  const bound = ['setpriv', '--pdeathsig', 'KILL', program]
  const [command = '', ...args] = [...(host?.wrapper ?? []), ...bound, ...wanted.args]
  const child = spawn(command, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  const printed: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => printed.push(text))
  }
  const ended = once(child, 'close')
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  try {
    await waitFor(`an answer of ${program}`, async () => {
      if (child.exitCode !== null) throw new Error(`${program} ended at once: ${printed.join('')}`)
      return wanted.isReady()
    })
  } catch (error) {
    await kill()
    throw error
  }
  return { pid: child.pid ?? 0, kill }
}
