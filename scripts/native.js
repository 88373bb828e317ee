/**
 * Compiles the native module. The build does it for this machine; `npm run prebuilds` does it for every platform that
 * the package brings, into prebuilds/, with Debian's cross compilers (gcc-x86-64-linux-gnu, gcc-aarch64-linux-gnu).
 *
 * Nothing is linked: the symbols of libc and of Node.js are in the process that loads the module. So one file serves
 * for glibc and musl, and for every Node.js with Node-API 8.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { install, root, run, say } from './run.js'

const folder = join(root, 'src/native')
const headers = join(root, 'node_modules/node-api-headers/include')

const flags = ['-std=c11', '-O2', '-g0', '-shared', '-fPIC', '-fvisibility=hidden']
const warnings = ['-Wall', '-Wextra', '-Werror']

/** The compiler for each platform that the package brings. */
const compilers = { 'linux-x64': 'x86_64-linux-gnu-gcc', 'linux-arm64': 'aarch64-linux-gnu-gcc' }

/** Whether this machine can compile the module. */
export function hasCompiler() {
  return process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0
}

/** Compiles the module for this machine to `file`; leaves it out where there is no compiler, or no Linux. */
export function buildNative(file) {
  if (process.platform !== 'linux') return
  if (hasCompiler()) compile('cc', file)
  else
    say(
      'No C compiler (cc): leaving the native module out; the service works without it, but slower',
    )
}

function compile(compiler, file, others = []) {
  const sources = readdirSync(folder)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(folder, name))
  const output = ['-nostdlib', '-o', file]
  run(compiler, [...flags, ...warnings, ...others, '-isystem', headers, ...output, ...sources])
}

/** Compiles it for every platform. */
function prebuild() {
  install()
  mkdirSync(join(root, 'prebuilds'), { recursive: true })
  for (const [platform, compiler] of Object.entries(compilers)) {
    say(`Compiling the native module for ${platform} …`)
    compile(compiler, join(root, `prebuilds/${platform}.node`), ['-s'])
  }
}

if (process.argv[1] === import.meta.filename) prebuild()
