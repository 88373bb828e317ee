import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** USER_HZ, the unit of times in /proc: 100 on every architecture that Node runs on. */
const ticksPerSecond = 100

interface ProcessEntry {
  pid: number
  parent: number
  cpuUs: number
}

/** Reads a process from /proc/PID/stat (proc(5)); null when there is none or it has ended. */
async function readEntry(pid: number): Promise<ProcessEntry | null> {
  let text: string
  try {
    text = await readFile(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null // it ended between listing and reading
  }
  // The name is in parentheses and may itself contain blanks and parentheses: count fields from its end.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z') return null // a zombie: it has ended, and its parent has not reaped it yet
  const ticks = Number(fields[11]) + Number(fields[12])
  const cpuUs = (ticks * 1e6) / ticksPerSecond
  return { pid, parent: Number(fields[1]), cpuUs }
}

/** A process and all its current descendants; empty when it is gone. */
export async function processTree(root: number): Promise<number[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const entries = await Promise.all(names.map((name) => readEntry(Number(name))))
  const alive = entries.filter((entry) => entry !== null)
  const found = alive.filter(({ pid }) => pid === root).map(({ pid }) => pid)
  // The list grows while it is walked: children are appended behind their parents.
  for (const pid of found) {
    for (const entry of alive) if (entry.parent === pid) found.push(entry.pid)
  }
  return found
}

/**
 * The CPU time that each process has used so far, user and system, in microseconds with the kernel's resolution of
 * 10,000.
 */
export async function cpuUsByPid(pids: readonly number[]): Promise<Map<number, number>> {
  const entries = await Promise.all(pids.map(readEntry))
  return new Map(entries.filter((entry) => entry !== null).map(({ pid, cpuUs }) => [pid, cpuUs]))
}

/**
 * Waits until all the processes are gone, and sends KILL to those that remain after the grace period. Callers have
 * already asked them to stop, and pass only processes that they started.
 */
export async function untilGone(pids: readonly number[], graceMs = 10_000): Promise<void> {
  const killAt = performance.now() + graceMs
  let left = pids
  for (;;) {
    const entries = await Promise.all(left.map(readEntry))
    left = entries.filter((entry) => entry !== null).map(({ pid }) => pid)
    if (left.length === 0) return
    if (performance.now() > killAt) for (const pid of left) kill(pid)
    await delay(20)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // gone in the meantime, as intended
  }
}
