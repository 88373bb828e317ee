import assert from 'node:assert/strict'
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../src', import.meta.url))
const checkout = fileURLToPath(new URL('../../..', import.meta.url))

/** A copy of the compiled program in a folder of its own, where a test may break it. */
export class ProgramCopy {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hs-program-'))
  readonly #copy = join(this.#folder, 'dist/src')
  readonly bridge = join(this.#copy, 'bin/bridge.cjs')
  readonly primary = join(this.#copy, 'bin/primary.js')
  readonly cli = join(this.#copy, 'bin/cli.js')
  #broken: string | undefined

  constructor(t: TestContext) {
    t.after(() => rmSync(this.#folder, { recursive: true, force: true }))
    cpSync(join(checkout, 'package.json'), join(this.#folder, 'package.json'))
    symlinkSync(join(checkout, 'node_modules'), join(this.#folder, 'node_modules'))
    cpSync(program, this.#copy, { recursive: true })
  }

  /** Makes a file, given by its path in the program, throw when it is loaded. */
  break(file: string, message: string): void {
    this.#broken = file
    appendFileSync(join(this.#copy, file), `\nthrow new Error(${JSON.stringify(message)})\n`)
  }

  /** Removes a file, given by its path in the program. */
  remove(file: string): void {
    rmSync(join(this.#copy, file))
  }

  /** Replaces text in a file. */
  edit(file: string, from: string, to: string): void {
    const path = join(this.#copy, file)
    const text = readFileSync(path, 'utf8')
    assert.ok(text.includes(from), `${file} has no "${from}"`)
    writeFileSync(path, text.replace(from, to))
  }

  /** Restores the broken file. */
  mend(): void {
    if (this.#broken === undefined) return
    cpSync(join(program, this.#broken), join(this.#copy, this.#broken))
  }
}
