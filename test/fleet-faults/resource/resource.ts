import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cleanup } from '../../helpers/cleanup.ts'
import { within } from '../../helpers/wait-for.ts'
import { Journal } from '../journal.ts'
import type { Judged } from './write.ts'

const program = fileURLToPath(new URL('./program.js', import.meta.url))

/** The resource's process. */
export class Resource {
  readonly socket: string
  readonly #journal: Journal<Judged>

  private constructor(socket: string, journal: Journal<Judged>) {
    this.socket = socket
    this.#journal = journal
  }

  static async start(t: Cleanup, folder: string): Promise<Resource> {
    const socket = join(folder, 'resource.sock')
    const file = join(folder, 'resource')
    const child = fork(program, [socket, file])
    const ended = once(child, 'exit')
    t.after(async () => {
      child.kill('SIGKILL')
      await ended
    })
    await within('a resource that listens', once(child, 'message'))
    return new Resource(socket, new Journal(file))
  }

  /** The writes that have arrived since the last call, in the order in which they did. */
  read(): Judged[] {
    return this.#journal.read()
  }
}
