import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cleanup } from './cleanup.ts'

/** The project's folder; these files run compiled, in dist/test/helpers. */
const root = join(import.meta.dirname, '../../..')

const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror']
const includes = ['src/native', 'node_modules/node-api-headers/include']

/**
 * Compiles a program in C for one test; returns its path.
 *
 * @param sources - their paths in the project
 * @param others - other arguments of the compiler
 */
export function compiledProgram(
  t: Cleanup,
  sources: readonly string[],
  compiler = 'cc',
  others: readonly string[] = [],
): string {
  const folder = mkdtempSync(join(tmpdir(), 'hst-compiled-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const program = join(folder, 'program')
  const paths = includes.flatMap((path) => ['-isystem', join(root, path)])
  const files = sources.map((source) => join(root, source))
  const args = [...flags, ...others, ...paths, '-o', program, ...files]
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: 'utf8' })
  assert.equal(status, 0, error?.message ?? stderr)
  return program
}
