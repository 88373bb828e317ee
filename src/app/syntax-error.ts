import { execFile } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { stripsTypes } from '../config/app-module.ts'
import { appCode, isCode } from './app-code.ts'

/**
 * The first import, which ends the process before any code of the app runs: modules run only when all have been parsed
 * and linked.
 */
const endFirst = `import 'data:text/javascript,process.exit()'`

/**
 * The place of the syntax error in an app's code: Node.js does not tell the program that imports a module, and the
 * error may be in any file that the module imports. But it prints the place when it ends with that error. One process
 * parses all files, without a time limit of its own: the place must not depend on how fast the machine is.
 *
 * @param module - the app's module, an absolute path
 * @param message - of the error
 * @returns `/path/app.js:3`; undefined when no file has one
 */
export async function placeOfSyntaxError(
  module: string,
  message: string,
): Promise<string | undefined> {
  const imports = [...appCode(module).files]
    .filter((file) => isCode(file) && isLoadable(file))
    .map((file) => `import ${JSON.stringify(pathToFileURL(file).href)}`)
  const stderr = await stderrOf([endFirst, ...imports].join('\n'))
  const [, url, line] = /^(file:.*)(:\d+)$/m.exec(stderr) ?? []
  const [, found] = /^(\w*SyntaxError.*)$/m.exec(stderr) ?? []
  // Another file, which may be imported only later, can have another error.
  if (url === undefined || line === undefined || found?.includes(message) !== true) return undefined
  return `${fileURLToPath(url)}${line}`
}

/** Whether this release of Node.js can import a file: the first that it cannot would hide the error of another. */
function isLoadable(file: string): boolean {
  return !/\.[mc]?ts$/.test(file) || stripsTypes()
}

/** What Node.js prints on its standard error for a module, which may be longer than an argument. */
function stderrOf(source: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = ['--input-type=module', '-']
    const child = execFile(process.execPath, args, (_error, _stdout, stderr) => resolve(stderr))
    child.once('error', reject)
    // It may end before it has read everything.
    child.stdin?.on('error', () => {})
    child.stdin?.end(source)
  })
}
