import { type Dirent, existsSync, readdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

/**
 * The path that a deploy means by a file: through the link that it switches (`current -> releases/7`), not through
 * the folder that this link leads to at the moment.
 *
 * Such a link is found in the paths that the person typed; if none of them leads through one, it is the only link
 * beside a package's folder, or beside the folder that contains it, that leads to that folder.
 *
 * @param real - an absolute path without links
 * @param typed - absolute paths by which the person may have named it, or its surroundings
 * @returns `real` itself when there is no such link
 */
export function namedPath(real: string, typed: readonly (string | undefined)[]): string {
  for (const path of typed) {
    const named = path?.startsWith('/') ? through(path, real) : undefined
    if (named !== undefined) return named
  }
  for (const folder of upwards(real)) {
    if (!existsSync(join(folder, 'package.json'))) continue
    const [link, ...others] = linksTo(folder)
    if (link !== undefined && others.length === 0) return join(link, relative(folder, real))
  }
  return real
}

/**
 * The same file or folder in another release.
 *
 * @param path - one in the release that has `from`
 * @param from - a file in one release, an absolute path
 * @param to - the same file in another release, or through a link that leads to one
 * @returns `path` itself when it is not in that release
 */
export function inRelease(path: string, from: string, to: string): string {
  if (from === to) return path
  if (basename(from) === basename(to)) return inRelease(path, dirname(from), dirname(to))
  return path.startsWith(`${from}/`) ? join(to, relative(from, path)) : path
}

/** The path to `real` through a folder on the way to `typed` that is a link, or is reached by one. */
function through(typed: string, real: string): string | undefined {
  for (const folder of [typed, ...upwards(typed)]) {
    const target = realOf(folder)
    if (target === folder) continue
    if (target === real) return folder
    if (target !== undefined && real.startsWith(`${target}/`)) {
      return join(folder, relative(target, real))
    }
  }
  return undefined
}

function linksTo(folder: string): string[] {
  const above = dirname(folder)
  return [...new Set([above, dirname(above)])].flatMap((place) =>
    entriesOf(place)
      .filter((entry) => entry.isSymbolicLink())
      .map((entry) => join(place, entry.name))
      .filter((link) => realOf(link) === folder),
  )
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    // Not ours to read, so no deploy of this user switches a link in it.
    return []
  }
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    // It leads nowhere.
    return undefined
  }
}

/** The folders above a path, the nearest one first, without the root. */
function upwards(path: string): string[] {
  const above = dirname(path)
  return above === dirname(above) ? [] : [above, ...upwards(above)]
}
