import { createHash } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Header } from './header.ts'

/** What has become of a message. `conflict`: another message with the same id is there. `full`: there are too many. */
export type Stored = 'new' | 'duplicate' | 'conflict' | 'full'

/** The subfolder into which whoever processes messages may move them: an id that is there is still known. */
const processed = 'done'

const suffix = '.hl7'

/** What a file is called until it is whole: a folder may be shared by hosts and containers, whose PIDs coincide. */
const unfinished = `.incoming-${encodeURIComponent(hostname())}-`

/**
 * A folder with one file for each message, named after its sender and id. A file is there as a whole or not at all, and
 * `put` returns only when it outlives a loss of power. Several processes may use the same folder.
 */
export class MessageStore {
  readonly #folder: string
  readonly #maxFiles: number
  readonly #incoming: string

  /** @param maxFiles - how many unprocessed messages there may be */
  constructor(folder: string, maxFiles: number) {
    this.#folder = folder
    this.#maxFiles = maxFiles
    this.#incoming = join(folder, `${unfinished}${process.pid}`)
  }

  /** Creates the folders, and removes what processes of this host left when they died. */
  async open(): Promise<void> {
    const inner = join(this.#folder, processed)
    const created = (await mkdir(inner, { recursive: true })) ?? this.#folder
    // The name of a new folder is in the data of the folder around it.
    let folder = inner
    do {
      folder = dirname(folder)
      await sync(folder)
    } while (folder !== dirname(created))
    for (const name of await readdir(this.#folder)) {
      if (!name.startsWith(unfinished)) continue
      if (!isRunning(Number(name.slice(unfinished.length))))
        await rm(join(this.#folder, name), { force: true })
    }
  }

  async put(header: Header, message: Buffer): Promise<Stored> {
    const name = fileName(header)
    const known = await this.#known(name)
    if (known !== undefined) return this.#compare(known, message)
    const names = await readdir(this.#folder)
    if (names.filter((one) => one.endsWith(suffix)).length >= this.#maxFiles) return 'full'
    await this.#write(message)
    try {
      // Unlike rename(2), link(2) fails if another process has stored the same message in the meantime.
      await link(this.#incoming, join(this.#folder, name))
    } catch (error) {
      if (!isExisting(error)) throw error
      return await this.#compare(await readFile(join(this.#folder, name)), message)
    } finally {
      await rm(this.#incoming, { force: true })
    }
    await sync(this.#folder)
    return 'new'
  }

  /** The message that is stored under this name; undefined when there is none. */
  async #known(name: string): Promise<Buffer | undefined> {
    // In the order in which files are moved, so that none is missed.
    for (const path of [join(this.#folder, name), join(this.#folder, processed, name)]) {
      try {
        return await readFile(path)
      } catch (error) {
        if (!isMissing(error)) throw error
      }
    }
    return undefined
  }

  async #compare(known: Buffer, message: Buffer): Promise<Stored> {
    if (!known.equals(message)) return 'conflict'
    // The process that wrote it may have died before it did this.
    await sync(this.#folder)
    return 'duplicate'
  }

  async #write(message: Buffer): Promise<void> {
    const file = await open(this.#incoming, 'w', 0o640)
    try {
      await file.writeFile(message)
      await file.sync()
    } finally {
      await file.close()
    }
  }
}

/** Writes a folder's data to disk: the names of the files in it (fsync(2)). */
async function sync(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** How much of an id is readable in a file's name. */
const readableLength = 64

/** The name for a message: its id as far as that can be read, and a digest of the id and its sender. */
export function fileName({ sendingApplication, sendingFacility, controlId }: Header): string {
  const readable = controlId.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, readableLength)
  const digest = createHash('sha256')
    .update(JSON.stringify([sendingApplication, sendingFacility, controlId]))
    .digest('hex')
  return `${readable}-${digest.slice(0, 16)}${suffix}`
}

const codeOf = (error: unknown) => (error as { readonly code?: unknown }).code
const isMissing = (error: unknown) => codeOf(error) === 'ENOENT'
const isExisting = (error: unknown) => codeOf(error) === 'EEXIST'

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}
