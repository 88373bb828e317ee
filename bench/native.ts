import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { runOrThrow } from './command.ts'
import { nativeBuild, nativeSources } from './paths.ts'

/** The compiled C programs, by path. */
export interface NativePrograms {
  load: string
  iterativeServer: string
}

async function compile(
  name: string,
  sources: readonly string[],
  libraries: readonly string[] = [],
): Promise<string> {
  const program = join(nativeBuild, name)
  // Uses a rename, so that a second run never executes a file that this one is still writing.
  const unfinished = `${program}.${process.pid}`
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-o', unfinished]
  try {
    await runOrThrow(`Compiling ${name}`, 'cc', [...flags, ...sources, ...libraries])
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    throw new Error(
      'The benchmark compiles its load generator and finds no C compiler as cc; Debian has it in the package gcc',
      { cause: error },
    )
  }
  await rename(unfinished, program)
  return program
}

async function sourcesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder)
  return names.filter((name) => name.endsWith('.c')).map((name) => join(folder, name))
}

/** @param wire how the clients' bytes travel */
async function loadSources(wire: 'plain' | 'tls'): Promise<string[]> {
  const common = await sourcesIn(join(nativeSources, 'load'))
  return [...common, join(nativeSources, 'wire', `${wire}.c`)]
}

/**
 * Compiles the load generator that speaks TLS.
 *
 * @throws Error with the compiler's output, as when OpenSSL's headers are missing: Debian has them in libssl-dev
 */
export function compileTlsLoad(): Promise<string> {
  return loadSources('tls').then((sources) => compile('load-tls', sources, ['-lssl', '-lcrypto']))
}

/**
 * Compiles the load generator and the C server; takes about a second.
 *
 * @throws Error with the compiler's output when either does not compile
 */
export async function compileNative(): Promise<NativePrograms> {
  await mkdir(nativeBuild, { recursive: true })
  const [load, iterativeServer] = await Promise.all([
    compile('load', await loadSources('plain')),
    compile('iterative-server', [join(nativeSources, 'iterative-server.c')]),
  ])
  return { load, iterativeServer }
}
