import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { HelloserverError, messageOf, stackOf } from '../errors.ts'
import type { App } from './app.ts'

/** The folder of this program's own code, which is never the place of an app's error. */
const ownCode = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Imports an app and checks its shape.
 *
 * @param path - its module, an absolute path
 * @throws HelloserverError `APP_FAILED`, with the reason and its place in the code
 */
export async function loadApp(path: string): Promise<App> {
  let module: Module
  try {
    module = (await import(pathToFileURL(path).href)) as Module
  } catch (error) {
    throw appError(`The app ${path} failed to load`, error)
  }
  const app = appIn(module)
  if (app !== undefined) return app
  const remedy = isHandler(module.handle) ? '; it exports handle by name, so export an object' : ''
  throw new HelloserverError(
    'APP_FAILED',
    `The app ${path} has no default export with a handle function${remedy}`,
  )
}

interface Module {
  readonly default?: unknown
  readonly handle?: unknown
}

/**
 * The default export. Of a CommonJS module, Node.js makes `module.exports` the default export; what a compiler
 * makes of `export default` is in there, one level deeper.
 */
function appIn(module: Module): App | undefined {
  const outer = module.default
  const inner = isObject(outer) ? outer['default'] : undefined
  return [outer, inner].find(isApp)
}

/** Whether a value has the shape of an app. */
export function isApp(value: unknown): value is App {
  return isObject(value) && isHandler(value['handle'])
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const isHandler = (value: unknown) => typeof value === 'function'

/** Wraps an app's error in one line, with the place in the code that it came from. */
export function appError(what: string, error: unknown): HelloserverError {
  const place = placeOf(error)
  return new HelloserverError('APP_FAILED', `${what}: ${inOneLine(messageOf(error))}${place}`, {
    cause: error,
  })
}

/** Node.js appends the chain of `require` calls in lines of its own; the place of the error is the first of them. */
function inOneLine(message: string): string {
  return message
    .replace(/\nRequire stack:\n.*$/s, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')
}

/** The first line of an app's code in the stack, which begins with the place of a syntax error. */
function placeOf(error: unknown): string {
  const places = (stackOf(error) ?? '').matchAll(/(?:^|[\s(]|file:\/\/)(\/[^\s():]+:\d+)/g)
  const place = Array.from(places, ([, found = '']) => found).find(
    (found) => !found.startsWith(ownCode),
  )
  return place === undefined ? '' : ` (${place})`
}
