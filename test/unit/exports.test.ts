import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ownRoot } from '../../src/config/locate.ts'
import { exportsOf, unexportedTypes } from '../helpers/declarations.ts'
import { tempFolder } from './support/temp-folder.ts'

/** The entry points without their extensions, from package.json. */
const entries = ['.', './testing', './pm2'].map((entry) => {
  const { exports } = JSON.parse(readFileSync(join(ownRoot, 'package.json'), 'utf8')) as {
    exports: Record<string, { types: string }>
  }
  return join(ownRoot, exports[entry]?.types ?? '').replace(/\.d\.ts$/, '')
})
const [main = '', ...others] = entries

test('every type that a public signature mentions is exported', () => {
  assert.ok(exportsOf(`${main}.d.ts`).includes('Connection'))
  assert.deepEqual(unexportedTypes([`${main}.d.ts`]), [])
  // A test imports the app's types from the package, too.
  for (const other of others) {
    assert.deepEqual(unexportedTypes([`${other}.d.ts`, `${main}.d.ts`]), [], other)
  }
})

test('CommonJS has every type that ES modules have', () => {
  for (const entry of entries) {
    const text = readFileSync(`${entry}.d.cts`, 'utf8')
    const inNamespace = [...text.matchAll(/^ +type (\w+)/gm)].map(([, name = '']) => name)
    const types = exportsOf(`${entry}.d.ts`).filter((name) => /^[A-Z]/.test(name))
    assert.deepEqual(new Set(inNamespace), new Set(types), entry)
  }
})

test('a type that is not exported is found, wherever it is declared', (t) => {
  const folder = tempFolder(t)
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write('entry.d.ts', "export { type Shown, act } from './shown.ts';\n")
  write(
    'shown.d.ts',
    `import type { Duplex } from 'node:stream';
import type { Hidden as Other } from './hidden.ts';
/** Mentions Comment. */
interface Local {
}
interface Unused {
}
export interface Shown {
    readonly kind: 'Unused';
    readonly stream: Duplex;
    read(): Promise<Local>;
}
export declare function act<Settings>(settings: Settings, other: readonly Other[]): Shown;
`,
  )
  write('hidden.d.ts', 'export interface Hidden {\n}\n')
  assert.deepEqual(unexportedTypes([join(folder, 'entry.d.ts')]), [
    'Local, for Shown',
    'Hidden, for act',
  ])
})
