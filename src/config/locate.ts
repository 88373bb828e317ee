import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the package that contains `path`: the nearest folder upwards with a package.json. */
export function packageRootOf(path: string): string {
  let folder = path
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder) return path
    folder = parent
  }
  return folder
}

/** The folder in which helloserver itself is installed. */
export const ownRoot = packageRootOf(dirname(fileURLToPath(import.meta.url)))

/** A service's name unless it is given another. */
export const defaultName = 'helloserver'
