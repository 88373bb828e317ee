/**
 * Puts the packages that every process loads into the modules that export them: Node.js reads one file instead of
 * one to two hundred, and only what is used of them. This saves a primary a third of its start.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './run.js'

/** Licences that allow a copy as long as it comes with their text. */
const allowed = new Set(['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'Apache-2'])

/** What a CommonJS package expects to find, in an ES module. */
const surroundings = `import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
`

/** The modules, each of which exports from one package. */
const modules = [
  'config/zod.js',
  'metrics/prom-client.js',
  'pm2/pm2-io.js',
  'redis/ioredis.js',
  'telemetry/pino.js',
]

/** @param folder - that of our compiled code */
export async function includePackages(folder) {
  await Promise.all(modules.map((file) => includePackage(join(folder, file))))
}

async function includePackage(file) {
  const { metafile, outputFiles } = await build({
    entryPoints: [file],
    outfile: file,
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    banner: { js: surroundings },
    legalComments: 'none',
    metafile: true,
    write: false,
    logLevel: 'warning',
  })
  const licences = packagesOf(Object.keys(metafile.inputs)).map((path) =>
    licenceOf(join(root, path)),
  )
  writeFileSync(file, `${outputFiles[0].text}\n/*!\n${licences.join('\n\n')}\n*/\n`)
}

/** The folders of the packages that these files are from. */
function packagesOf(files) {
  const folders = files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0])
  return [...new Set(folders)].filter((folder) => folder !== undefined)
}

/** The notice that a copy of a package must carry. */
function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  if (!allowed.has(license)) throw new Error(`${name} is under the licence "${license}"`)
  const texts = readdirSync(folder)
    .filter((file) => /^(?:licen[cs]e|notice)/i.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return [`${name} ${version}, ${license}`, ...texts].join('\n').replaceAll('*/', '* /')
}
