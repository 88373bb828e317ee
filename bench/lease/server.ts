import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from '../readiness.ts'

/** A Redis for the bench alone. */
export interface RunningRedis {
  readonly port: number
  readonly version: string
  stop(): Promise<void>
}

/**
 * Starts a redis-server on a free port of the loopback address; it keeps nothing on disk.
 *
 * @throws Error when redis-server cannot be started, or does not answer
 */
export async function startRedis(): Promise<RunningRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'hs-bench-redis-'))
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder]
  // In a process group of its own, so that an interrupt typed at the terminal leaves it for `stop`.
  const child = spawn('redis-server', args, { stdio: 'ignore', detached: true })
  const closed = once(child, 'close')
  const stop = async () => {
    child.kill('SIGTERM')
    // The server could not be started, which has already been reported.
    await closed.catch(() => {})
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await once(child, 'spawn')
    return { port, version: await versionAt(port), stop }
  } catch (error) {
    await stop()
    throw new Error(`Cannot start redis-server: ${String(error)}`, { cause: error })
  }
}

/** Waits until the server answers; resolves with its version. */
async function versionAt(port: number): Promise<string> {
  const redis = new Redis({ host: '127.0.0.1', port, retryStrategy: (times) => times * 10 })
  // The server is not up yet: ioredis retries until the command's limit.
  redis.on('error', () => {})
  try {
    return /redis_version:(\S+)/.exec(await redis.info('server'))?.[1] ?? 'unknown'
  } finally {
    redis.disconnect()
  }
}
