import { ambient } from '../config/environment.ts'
import { HelloserverError } from '../errors.ts'

/**
 * Until SIGUSR1 has a listener, Node opens its debugger on that signal, and through it any user of the host can
 * run code as this process. The first line of each program installs the listeners; the code below deals with
 * signals that arrive before.
 *
 * `--disable-sigusr1` is no alternative: with it, Node 22 to 26 leave the signal blocked, so that no listener
 * ever receives it.
 */

/**
 * Node's arguments for every process that this one starts: a debugger that a signal opens finds a port, which
 * reveals the signal, and its address, which contains a secret, goes to standard error alone.
 */
export const debuggerArguments = ['--inspect-port=0', '--inspect-publish-uid=stderr'] as const

/** How long to search for it, in milliseconds: Node opens it in a separate thread, some time after the signal. */
const searchMs = 15_000

const inspector = process.features.inspector
  ? process.getBuiltinModule('node:inspector')
  : undefined

/**
 * Closes the debugger if a signal opened it before SIGUSR1 had a listener, and passes that signal to the
 * listeners now. Call it when they are installed. A debugger that a person asked for stays.
 */
export function closeDebugger(): void {
  if (inspector === undefined || isDebugged()) return
  search(1)
}

function search(againMs: number): void {
  if (inspector?.url() !== undefined) {
    inspector.close()
    process.emit('SIGUSR1', 'SIGUSR1')
  }
  if (againMs < searchMs) setTimeout(search, againMs, 2 * againMs).unref()
}

/**
 * Refuses Node options that make a process wait for a debugger: an unattended process would wait for
 * ever.
 *
 * @throws HelloserverError `BAD_CONFIG`
 */
export function refuseWaitingDebugger(): void {
  const waiting = nodeOptions().find((flag) => waitsForDebugger.test(flag))
  if (waiting === undefined) return
  throw new HelloserverError(
    'BAD_CONFIG',
    `The Node.js option "${waiting}" makes every process wait for a debugger; remove it from NODE_OPTIONS, or use "--inspect"`,
  )
}

/** A warning if a debugger was asked for; undefined otherwise. */
export function debuggerWarning(): string | undefined {
  const url = inspector?.url()
  // The rest of the URL is what lets a debugger in.
  return url === undefined || !isDebugged()
    ? undefined
    : `A debugger listens on ${new URL(url).host}, through which any user of this host can run code as this user; remove --inspect where that matters`
}

/** Whether this process is to be debugged: by a flag, or by an editor that attaches to what it starts. */
function isDebugged(): boolean {
  return (
    nodeOptions().some((flag) => asksForDebugger.test(flag)) ||
    ambient(editorVariable) !== undefined
  )
}

function nodeOptions(): string[] {
  return [...process.execArgv, ...(ambient('NODE_OPTIONS') ?? '').split(/\s+/)]
}

/** Visual Studio Code sets it when its auto attach is on. */
const editorVariable = 'VSCODE_INSPECTOR_OPTIONS'

const asksForDebugger = /^--inspect([-_](brk|wait))?(=|$)/
const waitsForDebugger = /^--inspect[-_](brk|wait)(=|$)/
