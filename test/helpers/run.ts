import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'

/** Runs a program that must succeed, and returns its output. */
export function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${error?.message ?? stderr}`)
  return stdout
}
