import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { supported, versionWarning } from '../../src/versions.ts'

const read = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')

test('a release that the tests run under is no reason to warn', () => {
  for (const [program, majors] of Object.entries(supported)) {
    for (const major of majors) {
      assert.equal(versionWarning(program as keyof typeof supported, `${major}.1.2`), undefined)
    }
  }
})

test('any other one is named, with those to use', () => {
  assert.equal(
    versionWarning('pm2', '4.5.6'),
    'pm2 4.5.6 is not supported, though it may work; the supported releases are 5, 6, 7',
  )
  assert.match(versionWarning('node', '27.0.0') ?? '', /^Node\.js 27\.0\.0 .* 20, 22, 24, 26$/)
})

test('package.json and the documentation say the same', () => {
  const { peerDependencies } = JSON.parse(read('package.json')) as {
    peerDependencies: { pm2: string }
  }
  const [first] = supported.pm2
  const last = supported.pm2[supported.pm2.length - 1] ?? 0
  assert.equal(peerDependencies.pm2, `>=${first} <${last + 1}`)
  const text = read('docs/versions.md')
  for (const major of supported.node) assert.match(text, new RegExp(`Node\\.js ${major}`))
  for (const major of supported.pm2) assert.match(text, new RegExp(`pm2 ${major}`))
})
