import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const checkout = fileURLToPath(new URL('../../..', import.meta.url))
const parts = ['src', 'apps', 'scripts', 'tsconfig.json', 'package.json', 'package-lock.json']

/** A clone without its tests, which may be changed and built. */
class Clone {
  readonly folder = mkdtempSync(join(tmpdir(), 'hs-clone-'))

  constructor(t: TestContext) {
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
    for (const part of parts) {
      cpSync(join(checkout, part), join(this.folder, part), { recursive: true })
    }
    symlinkSync(join(checkout, 'node_modules'), join(this.folder, 'node_modules'))
  }

  build(): { readonly status: number | null; readonly isBuilt: boolean } {
    const { status, stdout } = spawnSync(process.execPath, ['scripts/build.js'], {
      cwd: this.folder,
      encoding: 'utf8',
    })
    return { status, isBuilt: stdout.includes('Building') }
  }

  /** Replaces text in a source, and dates the file. */
  edit(file: string, from: string, to: string, date: Date): void {
    const path = join(this.folder, file)
    const text = readFileSync(path, 'utf8')
    assert.ok(text.includes(from))
    writeFileSync(path, text.replace(from, to))
    utimesSync(path, date, date)
  }

  compiled(file: string): string {
    return readFileSync(join(this.folder, 'dist', file), 'utf8')
  }
}

test('a build', async (t) => {
  const clone = new Clone(t)
  const longAgo = new Date('2001-01-01')
  assert.deepEqual(clone.build(), { status: 0, isBuilt: true })

  await t.test('notices a file with other content that is older than the last build', () => {
    clone.edit('src/clock.ts', 'export', '// Rolled back.\nexport', longAgo)
    assert.deepEqual(clone.build(), { status: 0, isBuilt: true })
    assert.match(clone.compiled('src/clock.js'), /Rolled back/)
  })

  await t.test('does nothing when only dates have changed', () => {
    clone.edit('src/clock.ts', 'Rolled', 'Rolled', new Date())
    assert.deepEqual(clone.build(), { status: 0, isBuilt: false })
  })

  await t.test('that fails leaves the last one whole', () => {
    const before = readdirSync(join(clone.folder, 'dist'), { recursive: true }).length
    clone.edit('src/clock.ts', 'Rolled back.', 'Broken.\nconst text: string = 1', new Date())
    const { status, isBuilt } = clone.build()
    assert.ok(isBuilt && status !== 0)
    const now = readdirSync(join(clone.folder, 'dist'), { recursive: true }).length
    assert.equal(now, before)
    assert.match(clone.compiled('src/clock.js'), /Rolled back/)
    assert.deepEqual(
      readdirSync(clone.folder).filter((name) => name.startsWith('dist')),
      ['dist'],
    )
  })
})
