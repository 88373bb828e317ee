import { ambient } from './config/environment.ts'

/**
 * Until SIGUSR1 has a listener, Node opens its debugger on it, through which anybody on the host runs code as this
 * process. The listeners go in with the first line of each program; what follows is for the signals that come before.
 *
 * `--disable-sigusr1` is no way out: with it, Node 22 to 26 leave the signal blocked, so that no listener ever hears it.
 */

/**
 * The arguments of Node for every process that this one starts: a debugger that a signal opens finds a port, so that
 * the signal can be told from it, and its address, which has a secret in it, goes to standard error alone.
 */
export const debuggerArguments = ['--inspect-port=0', '--inspect-publish-uid=stderr'] as const

/** Node opens it some time after the signal, in a thread of its own: so long it is looked for, in milliseconds. */
const lookForMs = 15_000

const inspector = process.features.inspector
  ? process.getBuiltinModule('node:inspector')
  : undefined

/**
 * Closes the debugger if a signal opened it before SIGUSR1 had a listener, and has the listeners hear that signal now.
 * Call it when they are installed. A debugger that a person asked for stays.
 */
export function closeDebugger(): void {
  if (inspector === undefined || isDebugged()) return
  look(1)
}

function look(againMs: number): void {
  if (inspector?.url() !== undefined) {
    inspector.close()
    process.emit('SIGUSR1', 'SIGUSR1')
  }
  if (againMs < lookForMs) setTimeout(look, againMs, 2 * againMs).unref()
}

/** Whether somebody wants to debug this process: by a flag, or through an editor that attaches to what it starts. */
function isDebugged(): boolean {
  const flags = [...process.execArgv, ...(ambient('NODE_OPTIONS') ?? '').split(/\s+/)]
  return flags.some((flag) => asksForDebugger.test(flag)) || ambient(editorVariable) !== undefined
}

/** Visual Studio Code sets it when its auto attach is on. */
const editorVariable = 'VSCODE_INSPECTOR_OPTIONS'

const asksForDebugger = /^--inspect([-_](brk|wait))?(=|$)/
