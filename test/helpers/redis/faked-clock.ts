import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Why no test can fake the clock of a server in this run; false when they can. The library works in programs of this
 * machine's own Debian; the allocator of newer ones and that library wait for each other.
 */
export const cannotFakeClocks: string | false =
  process.env['MATRIX_STORE'] === undefined
    ? false
    : "libfaketime works only with servers of this machine's own Debian"

/**
 * The wall clock of one process, which can be set while the process runs; its monotonic clock is unaffected. Uses
 * Debian's libfaketime.
 */
export class FakedClock {
  readonly #file: string

  constructor(folder: string) {
    this.#file = join(folder, 'clock')
    this.set(0)
  }

  /** @param offsetS - the difference from the true time, in seconds */
  set(offsetS: number): void {
    writeFileSync(this.#file, `${offsetS < 0 ? '' : '+'}${offsetS}\n`)
  }

  get environment(): NodeJS.ProcessEnv {
    return {
      // The C library's allocator must precede the program's: jemalloc asks for the time while it starts, and the
      // faked clock allocates while it is asked.
      LD_PRELOAD: `${library()} libc.so.6`,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
    }
  }
}

function library(): string {
  for (const architecture of readdirSync('/usr/lib')) {
    const file = join('/usr/lib', architecture, 'faketime/libfaketimeMT.so.1')
    if (existsSync(file)) return file
  }
  throw new Error('Found no libfaketime; install Debian\'s package "faketime"')
}
