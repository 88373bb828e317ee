import type { ChildProcess } from 'node:child_process'
import { HelloserverError } from '../errors.ts'
import type { StreamHandle } from './stream-handle.ts'

/**
 * The channel between a process and its child, below Node's messages. Node documents none of it, so all code that relies
 * on it is in this folder (as read in the sources of Node.js 20, 22, 24 and 26: lib/internal/child_process.js), and a
 * runtime that differs is refused.
 */
export interface ChannelHandle extends StreamHandle {
  /** A descriptor that came with the bytes about to be read. */
  pendingHandle: StreamHandle | null
  /** Whether a message has begun and not ended. */
  buffering?: boolean
}

/**
 * @param owner - a child with a channel, or this process itself, if it is one
 * @throws HelloserverError `BOOT_FAILED` where Node has changed
 */
export function channelOf(owner: ChildProcess | NodeJS.Process): ChannelHandle {
  const key = Object.getOwnPropertySymbols(owner).find(
    ({ description }) => description === 'kChannelHandle',
  )
  const handle =
    key === undefined
      ? undefined
      : (owner as unknown as Record<symbol, Partial<ChannelHandle> | null>)[key]
  const isKnown =
    typeof handle?.onread === 'function' && 'pendingHandle' in handle && '_handleQueue' in owner
  if (isKnown) return handle as ChannelHandle
  throw new HelloserverError(
    'BOOT_FAILED',
    `Node.js ${process.version} talks to its workers in a way that helloserver does not know; use a version that docs/versions.md lists`,
  )
}
