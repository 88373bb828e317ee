import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

interface Locked {
  readonly version?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

test('the lock file has the packages of every platform, or "npm ci" fails on the others', () => {
  const text = readFileSync(new URL('../../../package-lock.json', import.meta.url), 'utf8')
  const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Locked>> }
  const wanted = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).map((name) => ({ place, name })),
  )
  assert.ok(wanted.length > 0, 'no package has optional ones')
  for (const { place, name } of wanted) {
    const isLocked = [`${place}/node_modules/${name}`, `node_modules/${name}`].some(
      (one) => packages[one]?.version !== undefined,
    )
    assert.ok(isLocked, `${place} wants ${name}, which is not locked`)
  }
})

test('the lock file and package.json are of the same version', () => {
  const read = (file: string) =>
    JSON.parse(readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')) as {
      version: string
    }
  assert.equal(read('package-lock.json').version, read('package.json').version)
})
