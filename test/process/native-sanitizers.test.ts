import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const sources = join(root, 'src/native')

/** The tests that call every function of the module. */
const tests = [
  'unit/native/queue.test.js',
  'unit/native/rescue.test.js',
  'unit/connections/native-hand-off.test.js',
  'unit/worker/connection-write.test.js',
]

const flags = ['-std=c11', '-g', '-O1', '-fno-omit-frame-pointer', '-shared', '-fPIC']
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']

const hasCompiler = spawnSync('gcc', ['--version']).status === 0

/** Where the compiler has one of its libraries. */
function library(name: string): string {
  return spawnSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim()
}

test('the module passes its tests under AddressSanitizer and UndefinedBehaviorSanitizer', {
  skip: hasCompiler ? false : 'there is no gcc',
}, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hst-asan-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const part of ['src', 'test']) {
    cpSync(join(root, 'dist', part), join(folder, 'dist', part), { recursive: true })
  }
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const output = join(folder, 'dist/src/native/helloserver.node')
  const headers = join(root, 'node_modules/node-api-headers/include')
  const files = readdirSync(sources).filter((name) => name.endsWith('.c'))
  const compiled = spawnSync(
    'gcc',
    [
      ...flags,
      ...sanitizers,
      '-isystem',
      headers,
      '-o',
      output,
      ...files.map((name) => join(sources, name)),
    ],
    { encoding: 'utf8' },
  )
  assert.equal(compiled.status, 0, compiled.stderr)
  const env = {
    PATH: process.env.PATH,
    LD_PRELOAD: `${library('libasan.so')} ${library('libubsan.so')}`,
    // Node.js itself leaves much behind at its exit.
    ASAN_OPTIONS: 'detect_leaks=0',
  }
  for (const file of tests) {
    const args = ['--test', '--test-reporter=spec', join(folder, 'dist/test', file)]
    const run = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    assert.equal(run.status, 0, `${file}\n${run.stdout}\n${run.stderr}`)
    assert.doesNotMatch(run.stdout, /runtime error|AddressSanitizer/)
    assert.match(run.stdout, /pass [1-9]/)
  }
})
