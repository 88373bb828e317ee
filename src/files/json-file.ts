import { HelloserverError, messageOf } from '../errors.ts'

/**
 * The value that a file of a person's holds. The mark with which some editors begin a file (U+FEFF) is no part of it,
 * as for npm and Node.js.
 *
 * @param path - the file, for the error
 * @throws HelloserverError `BAD_CONFIG` when the text is not JSON
 */
export function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new HelloserverError('BAD_CONFIG', `Cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
