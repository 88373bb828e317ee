import { writeSync } from 'node:fs'

/**
 * The progress pipe: a worker's short, fixed-size reports of how a connection ended, on a pipe of its own
 * beside Node's message channel, since every connection pays for one.
 *
 * A record is 24 bytes: step, reason, two of padding, the low 32 bits of the connection's id, and as doubles
 * how many bytes came and went; little-endian. Pipes deliver writes this short whole (pipe(7), PIPE_BUF).
 */
export const steps = ['served', 'failed', 'gone', 'missing'] as const

/**
 * `served`, `failed`: the handler has settled. `gone`: the client left before a byte had passed.
 * `missing`: the offer came without its socket, or could not be claimed.
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
  'lease-lost',
] as const

export type Reason = (typeof reasons)[number]

/** How many bytes a client has sent, and was sent; zeros unless the worker was told to count. */
export interface Traffic {
  readonly bytesIn: number
  readonly bytesOut: number
}

/** What is reported while nobody wants to know. */
export const uncounted: Traffic = { bytesIn: 0, bytesOut: 0 }

export interface Progress extends Traffic {
  readonly step: Step
  readonly reason: Reason
  /** The low 32 bits of the connection's id. */
  readonly id: number
}

const recordBytes = 24

/** The descriptor that a worker finds its end of the pipe at, after stdio and Node's channel. */
export const progressFd = 4

/** Writes records; one buffer serves for all, since each write is done when it returns. */
export class ProgressWriter {
  readonly #fd: number
  readonly #record = Buffer.alloc(recordBytes)

  constructor(fd: number) {
    this.#fd = fd
  }

  write(step: Step, id: number, reason: Reason = 'none', traffic = uncounted): void {
    this.#record[0] = steps.indexOf(step)
    this.#record[1] = reasons.indexOf(reason)
    this.#record.writeUInt32LE(id >>> 0, 4)
    this.#record.writeDoubleLE(traffic.bytesIn, 8)
    this.#record.writeDoubleLE(traffic.bytesOut, 16)
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
      this.#onProgress({
        step,
        reason,
        id: bytes.readUInt32LE(at + 4),
        bytesIn: bytes.readDoubleLE(at + 8),
        bytesOut: bytes.readDoubleLE(at + 16),
      })
    }
    this.#rest = bytes.subarray(at)
  }
}
