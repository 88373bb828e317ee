import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ownRoot } from './config/locate.ts'

const ownCode = dirname(fileURLToPath(import.meta.url))

/** The package's version. */
export const version: string = (
  JSON.parse(readFileSync(join(ownRoot, 'package.json'), 'utf8')) as { version: string }
).version

/**
 * A digest of the code on disk: helloserver's own and the app's folder. Two runs of the same code have the
 * same one, whatever the files' dates say.
 *
 * @param appModule - the app's compiled module, an absolute path
 * @returns twelve hexadecimal digits
 */
export function buildId(appModule: string): string {
  const hash = createHash('sha256')
  for (const folder of [ownCode, dirname(appModule)]) {
    for (const file of compiledFiles(folder)) {
      hash
        .update(file)
        .update('\0')
        .update(readFileSync(join(folder, file)))
        .update('\0')
    }
  }
  return hash.digest('hex').slice(0, 12)
}

/** Paths inside `folder`, sorted, so that the digest does not depend on the order that the disk has. */
function compiledFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.[cm]?js$/.test(file) && !file.includes('node_modules'))
    .toSorted()
}
