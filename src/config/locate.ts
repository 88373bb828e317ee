import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HelloserverError } from '../errors.ts'

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

/** An unknown name runs the default app, since several services may run the same app under different names. */
export function defaultConfigPath(name: string): string {
  const own = join(ownRoot, 'apps', name, 'config.json')
  return existsSync(own) ? own : join(ownRoot, 'apps', defaultName, 'config.json')
}

/**
 * The compiled app of an app folder: `app.js` beside the configuration, or where the build puts it.
 *
 * @throws HelloserverError `BAD_CONFIG` when the folder has no app, or the app is not built yet.
 */
export function appModuleIn(folder: string): string {
  const root = packageRootOf(folder)
  const candidates = [join(folder, 'app.js'), join(root, 'dist', relative(root, folder), 'app.js')]
  const found = candidates.find((candidate) => existsSync(candidate))
  if (found !== undefined) return found
  const source = existsSync(folder) && readdirSync(folder).includes('app.ts')
  throw new HelloserverError(
    'BAD_CONFIG',
    source
      ? `The app in ${folder} is not built; run "npm run build"`
      : `The folder ${folder} has no app.ts or app.js`,
  )
}
