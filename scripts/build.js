/**
 * `npm run build`: compiles to dist/ and writes the configuration's JSON Schema, when anything has changed.
 *
 * It compiles to a folder beside dist/ and exchanges the two at the end: a build that fails leaves the last one
 * whole, and a process that starts during the build finds it.
 */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildNative, hasCompiler } from './native.js'
import { install, requireNode, root, run, say } from './run.js'

const sources = [
  'src',
  'apps',
  'test',
  'bench',
  'scripts/build.js',
  'scripts/native.js',
  'scripts/packages.js',
  'tsconfig.json',
  'package-lock.json',
]
const pageFolder = 'src/admin/page'
const luaFolder = 'src/redis/lua'
const dist = join(root, 'dist')
/** In it, what it was built from. */
const stamp = '.built'

/** Installs the packages if necessary and brings dist/ up to date. */
export async function build() {
  requireNode()
  install()
  const wanted = wantedBuild()
  if (builtFrom() === wanted) return
  say('Building …')
  removeLeftovers()
  const aside = `${dist}.new.${process.pid}`
  process.once('exit', () => rmSync(aside, { recursive: true, force: true }))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  run(process.execPath, [compiler, '-p', configFor(aside)])
  // Browser code is compiled with another library.
  run(process.execPath, [compiler, '-p', join(root, pageFolder), '--outDir', aside])
  copyFiles(pageFolder, /\.(html|css|svg)$/, aside)
  copyFiles(luaFolder, /\.lua$/, aside)
  // It is itself a package, which may have been installed only now.
  const { includePackages } = await import('./packages.js')
  await includePackages(join(aside, 'src'))
  buildNative(join(aside, 'src/native/helloserver.node'))
  chmodSync(join(aside, 'src/bin/cli.js'), 0o755)
  const { configJsonSchema } = await import(pathToFileURL(join(aside, 'src/config/schema.js')).href)
  const schema = `${JSON.stringify(configJsonSchema(), null, 2)}\n`
  rmSync(join(aside, 'tsconfig.json'))
  writeFileSync(join(aside, stamp), wanted)
  putInPlace(aside)
  writeFileSync(join(root, 'config.schema.json'), schema)
  linkCommand()
}

/**
 * Writes the compiler's configuration for another folder than dist/, and returns its path. Our own package, which
 * the apps import by its name, is then where package.json says only once it is in place: until then, its sources.
 */
function configFor(aside) {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const declarations = Object.entries(exports).flatMap(([entry, { import: imported, types }]) => {
    const declaration = imported?.types ?? types
    return declaration === undefined ? [] : [[join(name, entry), [sourceOf(declaration)]]]
  })
  const path = join(aside, 'tsconfig.json')
  const compilerOptions = { outDir: '.', paths: Object.fromEntries(declarations) }
  mkdirSync(aside, { recursive: true })
  writeFileSync(path, JSON.stringify({ extends: '../tsconfig.json', compilerOptions }))
  return path
}

/** The source of a declaration file: dist/src/x.d.ts is made from src/x.ts. */
function sourceOf(declaration) {
  return join(root, declaration.replace('./dist/', '').replace(/\.d\.([cm]?ts)$/, '.$1'))
}

/** Between the two renames, there is no dist/ for some microseconds: Linux exchanges folders, but Node.js cannot. */
function putInPlace(aside) {
  const before = `${dist}.old.${process.pid}`
  if (existsSync(dist)) renameSync(dist, before)
  renameSync(aside, dist)
  rmSync(before, { recursive: true, force: true })
}

/** Removes what builds that were killed have left. */
function removeLeftovers() {
  for (const name of readdirSync(root)) {
    const [, pid] = /^dist\.(?:new|old)\.(\d+)$/.exec(name) ?? []
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(join(root, name), { recursive: true, force: true })
    }
  }
}

/** Copies files that are not compiled, such as the style of the page and the scripts for Redis. */
function copyFiles(folder, pattern, aside) {
  const to = join(aside, folder)
  mkdirSync(to, { recursive: true })
  const files = readdirSync(join(root, folder)).filter((file) => pattern.test(file))
  for (const file of files) copyFileSync(join(root, folder, file), join(to, file))
}

/**
 * npm links the commands of a package's dependencies, but not its own; this makes `npx helloserver` work in a clone.
 */
function linkCommand() {
  const link = join(root, 'node_modules/.bin/helloserver')
  const next = `${link}.${process.pid}`
  symlinkSync('../../dist/src/bin/cli.js', next)
  renameSync(next, link)
}

function builtFrom() {
  const path = join(dist, stamp)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** A compiler that was not there for the last build is a reason for another. */
function wantedBuild() {
  return `${digestOfSources()} ${hasCompiler() ? 'with' : 'without'} the native module`
}

/** By content: a copy, an archive or a checkout brings files that are different, and older. */
function digestOfSources() {
  const hash = createHash('sha256')
  for (const file of sources.flatMap((source) => filesIn(source))) {
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0')
  }
  return hash.digest('hex')
}

/** The files at a path inside the project, and in the folders there. */
function filesIn(path) {
  const found = statSync(join(root, path), { throwIfNoEntry: false })
  if (found === undefined) return []
  if (!found.isDirectory()) return [path]
  return readdirSync(join(root, path))
    .toSorted()
    .flatMap((name) => filesIn(join(path, name)))
}

if (process.argv[1] === import.meta.filename) await build()
