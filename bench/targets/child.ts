import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { processTree, untilGone } from '../process-table.ts'
import type { RunningTarget } from './target.ts'

const stderrKeptBytes = 2000

/** A server that runs as a child of this process until it is told to end. */
export interface ServerChild extends RunningTarget {
  /** Waits for `ready`; rejects with the child's output when the child exits before that. */
  untilReady(ready: Promise<unknown>): Promise<void>
  /** Resolves at the child's first message. */
  firstMessage: Promise<unknown>
}

function collectStderr(child: ChildProcess): () => string {
  let kept = ''
  child.stderr?.on('data', (bytes: Buffer) => {
    kept = (kept + bytes.toString()).slice(-stderrKeptBytes)
  })
  return () => kept.trim()
}

/** Rejects when the child cannot be started or exits; never resolves. */
async function untilExit(child: ChildProcess, stderr: () => string): Promise<never> {
  const [status, signal] = await once(child, 'close')
  throw new Error(`It exited with ${signal ?? `status ${status}`}: ${stderr() || 'no message'}`)
}

/** Starts a server; with `ipc`, it has a channel to send messages to this process. */
export function spawnServer(file: string, args: readonly string[], ipc: boolean): ServerChild {
  const child = spawn(file, args, {
    detached: true, // an interrupt at the terminal is for this process, which then stops the child
    stdio: ipc ? ['ignore', 'ignore', 'pipe', 'ipc'] : ['ignore', 'ignore', 'pipe'],
  })
  const exited = untilExit(child, collectStderr(child))
  exited.catch(() => {}) // matters only during the start; a later exit is a requested one
  const firstMessage = new Promise((resolve) => child.once('message', resolve))
  const pids = () => (child.pid === undefined ? Promise.resolve([]) : processTree(child.pid))
  return {
    pids,
    firstMessage,
    async untilReady(ready) {
      await Promise.race([ready, exited])
    },
    async stop() {
      const ending = await pids() // read first: after the end, the child's own children have another parent
      child.kill('SIGTERM')
      await untilGone(ending)
    },
  }
}
