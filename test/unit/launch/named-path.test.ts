import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { realPath } from '../../../src/files/real-path.ts'
import { inRelease, namedPath } from '../../../src/launch/named-path.ts'
import { tempFolder } from '../support/temp-folder.ts'

/** A folder with a release in `releases/1`. */
function deployed(t: TestContext): { readonly folder: string; readonly program: string } {
  const folder = realPath(tempFolder(t))
  const program = join(folder, 'releases/1/dist/primary.js')
  mkdirSync(dirname(program), { recursive: true })
  writeFileSync(program, '')
  writeFileSync(join(folder, 'releases/1/package.json'), '{}')
  return { folder, program }
}

test('a file is named through the link that was typed', (t) => {
  const { folder, program } = deployed(t)
  for (const link of ['current', 'other']) symlinkSync('releases/1', join(folder, link))
  const named = join(folder, 'other/dist/primary.js')
  const typed = [join(folder, 'other/dist/bridge.cjs'), join(folder, 'other'), named]
  for (const path of typed) assert.equal(namedPath(program, [undefined, path]), named)
  assert.equal(namedPath(program, ['other/dist', '']), program, 'two links, and neither was typed')
})

test('a file is named through the only link to its package', (t) => {
  const { folder, program } = deployed(t)
  assert.equal(namedPath(program, [folder]), program)
  symlinkSync('releases/1', join(folder, 'current'))
  symlinkSync('nothing', join(folder, 'broken'))
  assert.equal(namedPath(program, []), join(folder, 'current/dist/primary.js'))
})

test('a file has its like in another release', () => {
  const [from, to] = ['/x/releases/1/dist/a.js', '/x/current/dist/a.js']
  assert.equal(inRelease('/x/releases/1/apps/b.json', from, to), '/x/current/apps/b.json')
  assert.equal(inRelease('/etc/b.json', from, to), '/etc/b.json')
  assert.equal(inRelease('/x/releases/11/b.json', from, to), '/x/releases/11/b.json')
  assert.equal(inRelease('/x/y', from, from), '/x/y')
})
