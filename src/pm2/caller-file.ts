import { fileURLToPath } from 'node:url'

/**
 * The file whose code called a function of `module`: the first other file on the stack.
 *
 * @param module - the module that asks, by its `import.meta.url`
 * @returns an absolute path; undefined when the code is in no file
 */
export function callerFile(module: string): string | undefined {
  const own = new Set([pathOf(module), pathOf(import.meta.url)])
  const usual = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace')
  try {
    Error.prepareStackTrace = (_, sites) => sites
    const sites = new Error('Where am I?').stack as unknown as readonly NodeJS.CallSite[]
    return sites
      .flatMap((site) => pathOf(site.getFileName() ?? '') ?? [])
      .find((file) => !own.has(file))
  } finally {
    if (usual === undefined) Reflect.deleteProperty(Error, 'prepareStackTrace')
    else Object.defineProperty(Error, 'prepareStackTrace', usual)
  }
}

/** Files of ES modules have URLs, those of CommonJS paths. */
function pathOf(file: string): string | undefined {
  if (file.startsWith('file:')) return fileURLToPath(file)
  return file.startsWith('/') ? file : undefined
}
