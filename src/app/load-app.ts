import { pathToFileURL } from 'node:url'
import type { App } from './app.ts'
import { HelloserverError, messageOf, stackOf } from '../errors.ts'

/**
 * Imports an app and checks its shape.
 *
 * @param path - the compiled module, an absolute path
 * @throws HelloserverError `APP_FAILED`, with the reason and its place in the code
 */
export async function loadApp(path: string): Promise<App> {
  let module: { default?: unknown }
  try {
    module = (await import(pathToFileURL(path).href)) as { default?: unknown }
  } catch (error) {
    throw appError(`The app ${path} failed to load`, error)
  }
  const app = module.default
  if (
    typeof app !== 'object' ||
    app === null ||
    !('handle' in app) ||
    typeof app.handle !== 'function'
  ) {
    throw new HelloserverError(
      'APP_FAILED',
      `The app ${path} has no default export with a handle function`,
    )
  }
  return app as App
}

/** Wraps an app's error, with the place in the code that it came from. */
export function appError(what: string, error: unknown): HelloserverError {
  return new HelloserverError('APP_FAILED', `${what}: ${messageOf(error)}${placeOf(error)}`, {
    cause: error,
  })
}

function placeOf(error: unknown): string {
  // Not a part of "node:internal/modules/…", which is all that the stack of a syntax error has.
  const place = /(?:^|[\s(]|file:\/\/)(\/[^\s():]+:\d+)/m.exec(stackOf(error) ?? '')?.[1]
  return place === undefined ? '' : ` (${place})`
}
