import { writeSync } from 'node:fs'
import { reasons } from '../lifecycle/fail-reasons.ts'

/**
 * The progress pipe: a worker's short, fixed-size reports of how a connection ended, on a pipe of their own
 * beside Node's message channel, since every connection costs one report.
 *
 * A record is 24 bytes: step, reason, two of padding, the low 32 bits of the connection's id, and, as doubles,
 * the numbers of bytes received and sent; little-endian. Pipes deliver writes this short in one piece (pipe(7),
 * PIPE_BUF).
 */
export const steps = ['served', 'failed', 'gone', 'missing'] as const

/**
 * `served`, `failed`: the handler has ended. `gone`: the client left before a byte had passed. `missing`: the
 * offer came without its socket, or could not be claimed.
 */
export type Step = (typeof steps)[number]

/** Why a connection failed; `none` for the other steps. */
export type Reason = (typeof reasons)[number]

/** How many bytes a client has sent and received; zeros unless the worker was told to count. */
export interface Traffic {
  readonly bytesIn: number
  readonly bytesOut: number
}

/** The report when bytes are not counted. */
export const uncounted: Traffic = { bytesIn: 0, bytesOut: 0 }

export interface Progress extends Traffic {
  readonly step: Step
  readonly reason: Reason
  /** The connection's id; only its low 32 bits if it came through the pipe. */
  readonly id: number
}

const recordBytes = 24

/** The descriptor of the pipe's end in a worker, after stdio and Node's channel. */
export const progressFd = 4

/** Writes records; one buffer serves for all, since each write is complete when it returns. */
export class ProgressWriter {
  readonly #fd: number
  readonly #record = Buffer.alloc(recordBytes)

  constructor(fd: number) {
    this.#fd = fd
  }

  /** @returns whether the pipe took the whole record; false when the app has closed it, or the primary is gone */
  write({ step, id, reason, bytesIn, bytesOut }: Progress): boolean {
    this.#record[0] = steps.indexOf(step)
    this.#record[1] = reasons.indexOf(reason)
    this.#record.writeUInt32LE(id >>> 0, 4)
    this.#record.writeDoubleLE(bytesIn, 8)
    this.#record.writeDoubleLE(bytesOut, 16)
    try {
      return writeSync(this.#fd, this.#record) === recordBytes
    } catch {
      // The reason does not matter: there are other ways to report.
      return false
    }
  }
}

/** How many bytes outside of records are skipped before the reader stops listening. */
const maxGarbageBytes = 65_536

/**
 * Splits its input into records, however it was chunked. An app can write to the pipe as well: bytes that are
 * no record, or one that `onProgress` does not expect, are skipped one by one until the next record.
 */
export class ProgressReader {
  readonly #onProgress: (progress: Progress) => boolean
  readonly #onGarbage: () => void
  #remainder: Buffer = Buffer.alloc(0)
  #garbageBytes = 0

  /**
   * @param onProgress - returns whether such a report was to be expected
   * @param onGarbage - called once, at the first byte that is skipped
   */
  constructor(onProgress: (progress: Progress) => boolean, onGarbage: () => void) {
    this.#onProgress = onProgress
    this.#onGarbage = onGarbage
  }

  push(chunk: Buffer): void {
    if (this.#garbageBytes > maxGarbageBytes) return
    const bytes = this.#remainder.length === 0 ? chunk : Buffer.concat([this.#remainder, chunk])
    let at = 0
    while (at + recordBytes <= bytes.length) {
      const progress = decode(bytes, at)
      if (progress !== undefined && this.#onProgress(progress)) at += recordBytes
      else {
        if (this.#garbageBytes === 0) this.#onGarbage()
        this.#garbageBytes += 1
        at += 1
      }
    }
    this.#remainder = bytes.subarray(at)
  }
}

function decode(bytes: Buffer, at: number): Progress | undefined {
  const step = steps[bytes[at] ?? -1]
  const reason = reasons[bytes[at + 1] ?? -1]
  if (step === undefined || reason === undefined || bytes.readUInt16LE(at + 2) !== 0)
    return undefined
  const bytesIn = bytes.readDoubleLE(at + 8)
  const bytesOut = bytes.readDoubleLE(at + 16)
  if (!isCount(bytesIn) || !isCount(bytesOut)) return undefined
  return { step, reason, id: bytes.readUInt32LE(at + 4), bytesIn, bytesOut }
}

/** Whether it can be a number of bytes, or the id of a connection. */
export const isCount = (value: unknown): boolean =>
  Number.isSafeInteger(value) && Number(value) >= 0

/** Decodes a report that came in a message; undefined when it is none. */
export function decodeProgress(value: unknown): Progress | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { step, reason, id, bytesIn, bytesOut } = value as Partial<Record<keyof Progress, unknown>>
  const knownStep = steps.find((known) => known === step)
  const knownReason = reasons.find((known) => known === reason)
  if (knownStep === undefined || knownReason === undefined) return undefined
  if (!isCount(id) || !isCount(bytesIn) || !isCount(bytesOut)) return undefined
  return {
    step: knownStep,
    reason: knownReason,
    id: Number(id),
    bytesIn: Number(bytesIn),
    bytesOut: Number(bytesOut),
  }
}

/**
 * When the app has closed both channels to the primary, a worker's exit status tells how its last connection
 * ended: this number plus the step's index.
 */
const firstStatus = 240

export function statusOfStep(step: Step): number {
  return firstStatus + steps.indexOf(step)
}

/** How the last connection of a process with that exit status ended; undefined when the status does not tell. */
export function stepOfStatus(status: number | null): Step | undefined {
  return status === null ? undefined : steps[status - firstStatus]
}
