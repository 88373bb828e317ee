import { spawn } from 'node:child_process'
import { once } from 'node:events'
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

/**
 * Runs a command to its end, whatever its exit status.
 *
 * @param file program, never through a shell
 * @throws when the program cannot be started, or when `signal` was aborted
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  { env = process.env, timeoutMs = 60_000, signal }: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(file, args, {
    env,
    timeout: timeoutMs,
    stdio: ['ignore', 'pipe', 'pipe'],
    // In a process group of its own: otherwise an interrupt typed at the terminal could end a command that is just
    // starting a daemon half-way, and the daemon's PID would be unknown.
    detached: true,
    ...(signal && { signal }),
  })
  const [closed, stdout, stderr] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ])
  const status: unknown = closed[0]
  return { status: typeof status === 'number' ? status : null, stdout, stderr }
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
  const { status, stdout, stderr } = await runCommand(...command)
  if (status === 0) return stdout
  const said = (stderr.trim() || stdout.trim()).slice(-2000)
  throw new Error(`${what} ended with status ${status ?? 'none (a signal)'}: ${said}`)
}
