import { writeSync } from 'node:fs'

/**
 * The progress pipe: a worker's short, fixed-size reports of what happens to the connection that it was
 * offered, on a pipe of its own beside Node's message channel.
 *
 * Two reasons. A claim must be in the kernel before the first byte is read, or a worker killed in
 * between would take bytes with it that the primary still means to offer again; `process.send` may queue,
 * a synchronous write of a few bytes to a pipe does not. And it is cheaper by far than a JSON message on
 * the path that every connection takes (see bench/README.md).
 *
 * A record is eight bytes: step, reason, two of padding, and the low 32 bits of the connection's id,
 * little-endian. Pipes deliver writes this short whole (pipe(7), PIPE_BUF).
 */
export const steps = ['claimed', 'served', 'failed', 'gone', 'missing'] as const

/**
 * `claimed`: the worker has the socket and will read it. `served`, `failed`: the handler has settled.
 * `gone`: the client had left before the claim. `missing`: the offer came without its socket.
 */
export type Step = (typeof steps)[number]

/** Why a connection failed; `none` for the other steps. */
export const reasons = [
  'none',
  'client-reset',
  'read-timeout',
  'deadline',
  'line-too-long',
  'handler-error',
  'terminated',
] as const

export type Reason = (typeof reasons)[number]

export interface Progress {
  readonly step: Step
  readonly reason: Reason
  /** The low 32 bits of the connection's id. */
  readonly id: number
}

const recordBytes = 8

/** The descriptor that a worker finds its end of the pipe at, after stdio and Node's channel. */
export const progressFd = 4

/** Writes records; one buffer serves for all, since each write is done when it returns. */
export class ProgressWriter {
  readonly #fd: number
  readonly #record = Buffer.alloc(recordBytes)

  constructor(fd: number) {
    this.#fd = fd
  }

  write(step: Step, id: number, reason: Reason = 'none'): void {
    this.#record[0] = steps.indexOf(step)
    this.#record[1] = reasons.indexOf(reason)
    this.#record.writeUInt32LE(id >>> 0, 4)
    try {
      writeSync(this.#fd, this.#record)
    } catch {
      // The primary is gone: nobody is left to tell, and losing the channel ends this worker anyway.
    }
  }
}

/** Cuts what arrives back into records, however it was split; anything malformed is passed over. */
export class ProgressReader {
  readonly #onProgress: (progress: Progress) => void
  #rest: Buffer = Buffer.alloc(0)

  constructor(onProgress: (progress: Progress) => void) {
    this.#onProgress = onProgress
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    for (; at + recordBytes <= bytes.length; at += recordBytes) {
      const step = steps[bytes[at] ?? -1]
      const reason = reasons[bytes[at + 1] ?? -1]
      if (step === undefined || reason === undefined) continue
      this.#onProgress({ step, reason, id: bytes.readUInt32LE(at + 4) })
    }
    this.#rest = bytes.subarray(at)
  }
}
