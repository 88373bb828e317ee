/** `npm run build`: compiles to dist/ and writes the configuration's JSON Schema, when anything has changed. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { install, requireNode, root, run, say } from './run.js'

const sources = ['src', 'apps', 'test', 'bench', 'tsconfig.json', 'package-lock.json']
const pageFolder = 'src/admin/page'
const luaFolder = 'src/redis/lua'
const stamp = join(root, 'dist', '.built')

/** Installs the packages if necessary and brings dist/ up to date. */
export async function build() {
  requireNode()
  install()
  if (isCurrent()) return
  say('Building …')
  // Output without a source any more must not be run.
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  run(process.execPath, [compiler])
  // Browser code is compiled with another library.
  run(process.execPath, [compiler, '-p', join(root, pageFolder)])
  copyFiles(pageFolder, /\.(html|css|svg)$/)
  copyFiles(luaFolder, /\.lua$/)
  linkCommand()
  const { configJsonSchema } = await import(
    pathToFileURL(join(root, 'dist/src/config/schema.js')).href
  )
  writeFileSync(
    join(root, 'config.schema.json'),
    `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
  )
  writeFileSync(stamp, '')
}

/** Copies files that are not compiled, such as the style of the page and the scripts for Redis. */
function copyFiles(folder, pattern) {
  const to = join(root, 'dist', folder)
  mkdirSync(to, { recursive: true })
  const files = readdirSync(join(root, folder)).filter((file) => pattern.test(file))
  for (const file of files) copyFileSync(join(root, folder, file), join(to, file))
}

/**
 * npm links the commands of a package's dependencies, but not its own; this makes `npx helloserver` work in a clone.
 */
function linkCommand() {
  chmodSync(join(root, 'dist/src/bin/cli.js'), 0o755)
  const link = join(root, 'node_modules/.bin/helloserver')
  rmSync(link, { force: true })
  symlinkSync('../../dist/src/bin/cli.js', link)
}

function isCurrent() {
  if (!existsSync(stamp)) return false
  const builtMs = statSync(stamp).mtimeMs
  return sources.every((source) => newestMs(join(root, source)) <= builtMs)
}

/** The time of the last change in a folder; the folder's own date reflects deletions. */
function newestMs(path) {
  const own = statSync(path)
  if (!own.isDirectory()) return own.mtimeMs
  const inside = readdirSync(path).map((name) => newestMs(join(path, name)))
  return Math.max(own.mtimeMs, ...inside)
}

if (process.argv[1] === import.meta.filename) await build()
