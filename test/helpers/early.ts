import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { constants } from 'node:os'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { isAlive, signalTo } from './processes.ts'
import { boundMs } from './wait-for.ts'

const USR1 = 1n << BigInt(constants.signals.SIGUSR1 - 1)
const maxAttempts = 20

/** Waits for a child of `parent` that is not among `before` and whose command line matches. */
export async function nextChildOf(
  parent: number,
  before: readonly number[] = [],
  command = /^/,
): Promise<number> {
  const untilMs = performance.now() + boundMs
  const isNext = (pid: number) =>
    !before.includes(pid) && command.test(read(`/proc/${pid}/cmdline`))
  while (performance.now() < untilMs) {
    const child = childrenOf(parent).find(isNext)
    if (child !== undefined) return child
    // Node takes some ten times as long to load its own startup code.
    await delay(1)
  }
  throw new Error(`Process ${parent} has started none`)
}

/** The direct children of a process (proc_pid_children(5)). */
export function childrenOf(parent: number): number[] {
  return read(`/proc/${parent}/task/${parent}/children`).split(' ').filter(Boolean).map(Number)
}

/**
 * Sends SIGUSR1 while a starting Node blocks that signal, so that it reaches Node's own handler, which opens the
 * debugger. Returns whether it did: on a busy machine, the process may have started, or ended, before.
 */
export async function signalWhileNodeStarts(pid: number): Promise<boolean> {
  const untilMs = performance.now() + boundMs
  while (isAlive(pid) && !hasStarted(pid)) {
    if (holdsBack(pid)) return signalTo(pid, 'SIGUSR1')
    if (performance.now() > untilMs) throw new Error(`Process ${pid} does not start`)
    await turn()
  }
  return false
}

/** Repeats an attempt to signal a process in that moment until one has. */
export async function untilSignalled(attempt: () => Promise<boolean>): Promise<void> {
  for (let left = maxAttempts; left > 0; left -= 1) if (await attempt()) return
  throw new Error(`${maxAttempts} processes have started before they were signalled`)
}

/** Sends a signal every millisecond for a second, or until the process has ended. */
export async function barrage(pid: number, signal: NodeJS.Signals): Promise<void> {
  const untilMs = performance.now() + 1_000
  while (performance.now() < untilMs && isAlive(pid) && signalTo(pid, signal)) await delay(1)
}

/** The TCP ports that a process listens on; each once, by however many descriptors it has the socket. */
export function listeningPorts(pid: number): number[] {
  const sockets = new Map(
    ['tcp', 'tcp6']
      .flatMap((table) => read(`/proc/${pid}/net/${table}`).split('\n').slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => state === listenState)
      .map((fields) => [fields[9], Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)]),
  )
  return [...new Set(descriptorsOf(pid))].flatMap((target) => {
    const port = sockets.get(/^socket:\[(\d+)\]$/.exec(target)?.[1])
    return port === undefined ? [] : [port]
  })
}

/** TCP_LISTEN in the kernel's tcp_states.h. */
const listenState = '0A'

function holdsBack(pid: number): boolean {
  // Before its program is loaded, a process blocks all signals, not just this one.
  return signalsOf(pid, 'SigBlk') === USR1
}

/** Whether Node has its handler, and lets the signal through. */
function hasStarted(pid: number): boolean {
  return (signalsOf(pid, 'SigCgt') & USR1) !== 0n && (signalsOf(pid, 'SigBlk') & USR1) === 0n
}

/** A set of signals of a process (proc_pid_status(5)). */
function signalsOf(pid: number, which: 'SigBlk' | 'SigCgt'): bigint {
  const set = new RegExp(`^${which}:\\s*(\\w+)$`, 'm').exec(read(`/proc/${pid}/status`))?.[1]
  return BigInt(`0x${set ?? '0'}`)
}

function descriptorsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).map((descriptor) => readlinkSync(`${folder}/${descriptor}`))
  } catch {
    // The process has just ended, or has closed a descriptor; the next look succeeds.
    return []
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process no longer exists.
    return ''
  }
}
