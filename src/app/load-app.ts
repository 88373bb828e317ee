import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { HelloserverError, messageOf, stackOf } from '../errors.ts'
import type { App } from './app.ts'
import { placeOfSyntaxError } from './syntax-error.ts'

/** The folder of this program's own code, which is never the place of an app's error. */
const ownCode = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Imports an app and checks its shape.
 *
 * @param path - its module, an absolute path
 * @throws HelloserverError `APP_FAILED`, with the reason and its place in the code
 */
export async function loadApp(path: string): Promise<App> {
  let problem: string
  try {
    const module = (await import(pathToFileURL(path).href)) as Module
    const app = appIn(module)
    if (isApp(app)) return app
    problem = hasHandler(app)
      ? problemOf(app)
      : `has no default export with a handle function${remedyFor(module)}`
  } catch (error) {
    const isUnplaced = error instanceof SyntaxError && placeIn(error) === undefined
    // Whatever keeps the place from being found, this error is the one to report.
    const place = isUnplaced
      ? await placeOfSyntaxError(path, error.message).catch(() => undefined)
      : undefined
    throw appError(`The app ${path} failed to load`, error, place)
  }
  throw new HelloserverError('APP_FAILED', `The app ${path} ${problem}`)
}

interface Module {
  readonly default?: unknown
  readonly handle?: unknown
}

/**
 * The default export. Of a CommonJS module, Node.js makes `module.exports` the default export; what a compiler
 * makes of `export default` is in there, one level deeper.
 */
function appIn(module: Module): unknown {
  const outer = module.default
  const inner = isObject(outer) ? outer['default'] : undefined
  return [outer, inner].find(hasHandler)
}

/** Whether a value has the shape of an app. */
export function isApp(value: unknown): value is App {
  return hasHandler(value) && badHookOf(value) === undefined
}

/** The reason why a value is no app, as the rest of a sentence. */
export function problemOf(value: unknown): string {
  if (!hasHandler(value)) return 'has no handle function'
  return `has a "${badHookOf(value)}" that is not a function`
}

/** What there may be besides `handle`. */
function badHookOf(app: Readonly<Record<string, unknown>>): string | undefined {
  return ['setup', 'teardown'].find((hook) => !isFunction(app[hook] ?? (() => {})))
}

function remedyFor({ default: exported, handle }: Module): string {
  if (isFunction(handle)) return '; it exports handle by name, so export an object'
  if (isFunction(exported)) return '; it exports a function or class, so export an object'
  if (isObject(exported) && isFunction(exported['then']))
    return '; it exports a promise, so export its result'
  return ''
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const isFunction = (value: unknown) => typeof value === 'function'

const hasHandler = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && isFunction(value['handle'])

/**
 * Wraps an app's error in one line, with the place in the code that it came from.
 *
 * @param place - the place, where it is known [that in the error's stack]
 */
export function appError(what: string, error: unknown, place = placeIn(error)): HelloserverError {
  const at = place === undefined ? '' : ` (${place})`
  return new HelloserverError('APP_FAILED', `${what}: ${inOneLine(messageOf(error))}${at}`, {
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

/** A line of a stack that has a place: the first line of a syntax error, or that of a call. */
const placePattern = /^(?:\s+at (?:async )?(?:.*?\()?)?((?:file:\/\/)?\/.+?)(:\d+)(?::\d+)?\)?$/gm

/** The first line of an app's code in the stack, which begins with the place of a syntax error. */
function placeIn(error: unknown): string | undefined {
  const places = (stackOf(error) ?? '').matchAll(placePattern)
  return Array.from(places, ([, file = '', line = '']) => `${pathOf(file)}${line}`).find(
    (place) => !place.startsWith(ownCode),
  )
}

/** Stacks name ES modules by their URLs. */
function pathOf(file: string): string {
  if (!file.startsWith('file:')) return file
  try {
    return fileURLToPath(file)
  } catch {
    // The app has put something else there.
    return file
  }
}
