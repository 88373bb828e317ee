import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type SupportedProgram, supported, versionWarning } from '../../src/versions.ts'

const read = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')

test('a release that the tests run under is no reason to warn', () => {
  for (const [program, majors] of Object.entries(supported)) {
    for (const major of majors) {
      assert.equal(versionWarning(program as SupportedProgram, `${major}.20.2`), undefined)
    }
  }
})

test('any other one is named, with those to use', () => {
  assert.equal(
    versionWarning('pm2', '4.5.6'),
    'pm2 4.5.6 is not supported, though it may work; the supported releases are 5, 6, 7',
  )
  assert.match(
    versionWarning('node', '27.0.0') ?? '',
    /^Node\.js 27\.0\.0 .* 20\.19, 22\.12, 24, 26$/,
  )
  assert.match(versionWarning('valkey', '10.0.1') ?? '', /^Valkey 10\.0\.1 .* 8, 9$/)
})

test('the first minor release counts where not all of a major one will do', () => {
  assert.match(versionWarning('node', '20.18.3') ?? '', /^Node\.js 20\.18\.3 is not supported/)
  assert.equal(versionWarning('node', '20.19.0'), undefined)
  assert.match(versionWarning('node', '22.11.0') ?? '', /^Node\.js 22\.11\.0 is not supported/)
  assert.equal(versionWarning('node', '22.12.0'), undefined)
})

test('package.json and the documentation say the same', () => {
  const { peerDependencies, engines } = JSON.parse(read('package.json')) as {
    peerDependencies: { pm2: string }
    engines: { node: string }
  }
  assert.equal(engines.node, '^20.19 || >=22.12')
  const [first] = supported.pm2
  const last = supported.pm2[supported.pm2.length - 1] ?? 0
  assert.equal(peerDependencies.pm2, `>=${first} <${last + 1}`)
  const text = read('docs/versions.md')
  for (const major of supported.node) assert.match(text, new RegExp(`Node\\.js ${major}`))
  for (const major of supported.pm2) assert.match(text, new RegExp(`pm2 ${major}`))
  for (const major of supported.redis) assert.match(text, new RegExp(`Redis ${major}`))
  for (const major of supported.valkey) assert.match(text, new RegExp(`Valkey ${major}`))
})
