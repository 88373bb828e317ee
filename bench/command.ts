import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

/** How a command ended: its exit status (null when a signal ended it) and what it wrote. */
export interface CommandResult {
  status: number | null
  stdout: string
  stderr: string
}

export interface CommandOptions {
  /** Replaces this process's own environment. */
  env?: NodeJS.ProcessEnv
  /** The command receives TERM after this long. */
  timeoutMs?: number
  /** Aborting it sends TERM to the command. */
  signal?: AbortSignal
}

/** A command that has been started. */
export interface RunningCommand {
  /** Undefined when the program could not be started, in which case `ended` is rejected. */
  readonly pid: number | undefined
  /** Resolves when it has ended, whatever its exit status; rejected when it did not start, or when `signal` was aborted. */
  readonly ended: Promise<CommandResult>
  /** Sends TERM. */
  readonly stop: () => void
}

/**
 * Starts a command.
 *
 * @param file program, never through a shell
 */
export function startCommand(
  file: string,
  args: readonly string[],
  { env = process.env, timeoutMs = 60_000, signal }: CommandOptions = {},
): RunningCommand {
  const child = spawn(file, args, {
    env,
    timeout: timeoutMs,
    stdio: ['ignore', 'pipe', 'pipe'],
    // In a process group of its own: otherwise an interrupt typed at the terminal could end a command that is just
    // starting a daemon half-way, and the daemon's PID would be unknown.
    detached: true,
    ...(signal && { signal }),
  })
  return { pid: child.pid, ended: resultOf(child), stop: () => void child.kill('SIGTERM') }
}

async function resultOf(
  child: ChildProcessByStdio<null, Readable, Readable>,
): Promise<CommandResult> {
  const [closed, stdout, stderr] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ])
  const status: unknown = closed[0]
  return { status: typeof status === 'number' ? status : null, stdout, stderr }
}

/** Runs a command to its end, whatever its exit status; parameters and errors are those of `startCommand`. */
export function runCommand(...command: Parameters<typeof startCommand>): Promise<CommandResult> {
  return startCommand(...command).ended
}

/**
 * Runs a command that must exit 0.
 *
 * @param what the command's purpose, for the message
 * @throws Error with the command's output, when it exits otherwise
 */
export async function runOrThrow(
  what: string,
  ...command: Parameters<typeof runCommand>
): Promise<string> {
  return outputOf(what, await runCommand(...command))
}

/**
 * The standard output of a command that must have exited 0.
 *
 * @throws Error with the command's output, when it exited otherwise
 */
export function outputOf(what: string, { status, stdout, stderr }: CommandResult): string {
  if (status === 0) return stdout
  const said = (stderr.trim() || stdout.trim()).slice(-2000)
  throw new Error(`${what} ended with status ${status ?? 'none (a signal)'}: ${said}`)
}
