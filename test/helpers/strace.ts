import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { tempFolder } from '../unit/support/temp-folder.ts'
import { resultOf } from './sandbox.ts'
import { waitFor, within } from './wait-for.ts'

/** A system call that a process has made, with its place among the beginnings and ends of all calls. */
export interface SystemCall {
  /** Its name and arguments, with the path of each descriptor: `fsync(18</tmp/file>`. */
  readonly call: string
  readonly beganAt: number
  readonly endedAt: number
}

/**
 * The system calls of a process and its threads while a function runs, by the real strace(1).
 *
 * @param names - of the calls
 */
export async function systemCalls(
  t: TestContext,
  pid: number,
  names: readonly string[],
  act: () => Promise<unknown>,
): Promise<SystemCall[]> {
  const file = join(tempFolder(t), 'calls')
  const options = ['-f', '-y', '-s', '400', '-e', `trace=${names.join(',')}`, '-o', file]
  const child = spawn('strace', [...options, '-p', `${pid}`], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = resultOf(child)
  await waitFor('strace', () => /attached/.test(said) || child.exitCode !== null)
  await act()
  child.kill('SIGINT')
  await within('the end of strace', ended)
  return callsIn(readFileSync(file, 'utf8'))
}

/** Calls of several threads overlap: strace then writes their beginnings and ends in lines of their own. */
function callsIn(text: string): SystemCall[] {
  const begun = new Map<string, { call: string; beganAt: number }>()
  return text.split('\n').flatMap((line, at) => {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (rest.endsWith('<unfinished ...>')) {
      begun.set(thread, { call: rest, beganAt: at })
      return []
    }
    const { call, beganAt } = begun.get(thread) ?? { call: rest, beganAt: at }
    begun.delete(thread)
    return [{ call, beganAt, endedAt: at }]
  })
}
