import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** USER_HZ, the unit of times in /proc: 100 on every architecture that Node runs on. */
const ticksPerSecond = 100

interface ProcessEntry {
  pid: number
  parent: number
  /** The processor time that it has used itself. */
  cpuUs: number
  /** That of its former children, and of theirs, that it has waited for. */
  childrenCpuUs: number
}

/** Reads a process from /proc/PID/stat (proc(5)); null when there is none or it has ended. */
async function readEntry(pid: number): Promise<ProcessEntry | null> {
  let text: string
  try {
    text = await readFile(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null // it ended between listing and reading
  }
  return entryIn(pid, text)
}

/** Takes apart the text of /proc/PID/stat; null for a zombie, which has ended and has not been reaped yet. */
export function entryIn(pid: number, text: string): ProcessEntry | null {
  // The name is in parentheses and may itself contain blanks and parentheses: count fields from its end.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z') return null
  const us = (first: number) =>
    ((Number(fields[first]) + Number(fields[first + 1])) * 1e6) / ticksPerSecond
  return { pid, parent: Number(fields[1]), cpuUs: us(11), childrenCpuUs: us(13) }
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
 * The processor time that the processes have used so far, user and system, in microseconds with the kernel's
 * resolution of 10,000. That of children that have ended is included, so that the difference between two readings of a
 * tree is right even when processes were replaced in between.
 */
export async function cpuUsOf(pids: readonly number[]): Promise<number> {
  const entries = await Promise.all(pids.map(readEntry))
  return entries.reduce(
    (sum, entry) => sum + (entry === null ? 0 : entry.cpuUs + entry.childrenCpuUs),
    0,
  )
}

/**
 * The memory that the processes have written, in bytes: anonymous and shared memory by the proportional set size of
 * proc(5), in which a page that several of them share counts once. Mapped files are left out: their pages belong to
 * whatever other process runs the same program, too. Processes that have ended count nothing.
 */
export async function memoryBytesOf(pids: readonly number[]): Promise<number> {
  const sizes = await Promise.all(pids.map(memoryBytes))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Anonymous and shared memory, from the text of /proc/PID/smaps_rollup. */
export function writtenBytesIn(text: string): number {
  const kilobytes = [...text.matchAll(/^Pss_(?:Anon|Shmem):\s+(\d+) kB$/gm)]
  return kilobytes.reduce((sum, [, count]) => sum + Number(count) * 1024, 0)
}

async function memoryBytes(pid: number): Promise<number> {
  try {
    const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
    return writtenBytesIn(text)
  } catch {
    return 0 // it has ended
  }
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
