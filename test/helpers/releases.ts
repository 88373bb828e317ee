import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cleanup } from './cleanup.ts'

const program = fileURLToPath(new URL('../../src', import.meta.url))
const checkout = fileURLToPath(new URL('../../..', import.meta.url))

/** Releases side by side, and the link `current` to one of them: `releases/1`, `releases/2`, … */
export class Releases {
  readonly folder = mkdtempSync(join(tmpdir(), 'hs-releases-'))
  readonly current = join(this.folder, 'current')

  constructor(t: Cleanup) {
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  /** The folder of a release. */
  at(release: number): string {
    return join(this.folder, 'releases', String(release))
  }

  /** Makes a release whose app answers with its number, and switches the link to it. */
  deploy(release: number): void {
    const folder = this.at(release)
    const app = join(folder, 'apps/helloserver')
    mkdirSync(app, { recursive: true })
    cpSync(join(checkout, 'package.json'), join(folder, 'package.json'))
    symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'))
    cpSync(program, join(folder, 'dist/src'), { recursive: true })
    writeFileSync(
      join(app, 'config.json'),
      JSON.stringify({ host: '127.0.0.1', port: 0, workers: 1 }),
    )
    writeFileSync(
      join(app, 'app.js'),
      `export default { handle: (connection) => connection.write('release ${release}') }\n`,
    )
    symlinkSync(folder, `${this.current}.new`)
    renameSync(`${this.current}.new`, this.current)
  }

  /** Cleans up after a deploy. */
  remove(...releases: number[]): void {
    for (const release of releases) rmSync(this.at(release), { recursive: true })
  }
}
