import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../errors.ts'
import type { ControlClient } from './client.ts'
import type { Results } from './protocol.ts'

/** How often it is looked whether the process is gone, in milliseconds. */
const lookEveryMs = 5

/** Asks a service to stop, and waits until its process is gone: not only its answer, its port and its lock. */
export async function stopService(client: ControlClient): Promise<Results['stop']> {
  const { pid } = await client.request('status', {})
  const result = await client.request('stop', {})
  await client.closed
  while (exists(pid)) await delay(lookEveryMs)
  return result
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}
