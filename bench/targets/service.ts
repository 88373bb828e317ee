import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { benchApp } from '../paths.ts'
import type { Setup } from './target.ts'

/** The name of the service, and hence of its files. */
export const serviceName = 'bench'

/** A service's folder: its configuration, its app and its run directory. */
export interface ServiceFolder {
  readonly runDir: string
  readonly pidFile: string
  /** What its commands need; the caller's own helloserver settings are left out of it. */
  readonly env: NodeJS.ProcessEnv
}

/** Longer than connections wait in any measurement. */
const queue = { maxWaitMs: 300_000 }

/**
 * Writes the files of a service with the bench's app.
 *
 * @param folder an empty folder
 * @param settings of its configuration file, besides those that every measurement needs
 * @param variables added to its environment
 */
export async function writeService(
  folder: string,
  { port, workers, tls }: Setup,
  settings: object,
  variables: Readonly<Record<string, string>>,
): Promise<ServiceFolder> {
  const runDir = join(folder, 'run')
  const config = join(folder, 'config.json')
  await mkdir(runDir, { mode: 0o700 })
  const listen = [{ address: `127.0.0.1:${port}`, ...(tls && { tls }) }]
  await writeFile(config, JSON.stringify({ queue, listen, ...settings }))
  const app = `export { default } from '${pathToFileURL(benchApp).href}'\n`
  await writeFile(join(folder, 'app.mjs'), app)
  const others = Object.entries(process.env).filter(([key]) => !key.startsWith('HELLOSERVER_'))
  const env = {
    ...Object.fromEntries(others),
    HELLOSERVER_CONFIG: config,
    HELLOSERVER_WORKERS: String(workers),
    HELLOSERVER_RUN_DIR: runDir,
    HELLOSERVER_LOG_LEVEL: 'info',
    ...variables,
  }
  return { runDir, pidFile: join(runDir, `${serviceName}.pid`), env }
}
