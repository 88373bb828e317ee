import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import type { RunFiles } from '../../../src/config/run-dir.ts'

/** A process of its own that holds the lock of a service, as a primary does; it ends with the test. */
export async function holdLock(
  t: TestContext,
  { lockFile }: Pick<RunFiles, 'lockFile'>,
): Promise<ChildProcess> {
  const script = 'exec 3>>"$0"; flock -n -x 3 && echo held && exec sleep 60'
  const child = spawn('/bin/sh', ['-c', script, lockFile], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => void child.kill('SIGKILL'))
  if (child.stdout !== null) await once(child.stdout, 'data')
  return child
}
