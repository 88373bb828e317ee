import { loadApp } from '../app/load-app.ts'
import { withDeadline } from '../async/with-deadline.ts'
import { ownEnvironment } from '../config/environment.ts'
import { type Config, loadConfig, overridesOf } from '../config/load.ts'
import { runFiles } from '../config/run-dir.ts'
import { exitStatus, HelloserverError } from '../errors.ts'
import { readKeys } from '../tls/keyring.ts'
import { locateApp, type WithExample } from './locate-app.ts'
import type { Options } from './options.ts'
import { print, printError, printWarning } from './output.ts'

/** Reads the configuration and loads the app, as the start of a service and its workers would. */
export async function checkService(options: Options & WithExample): Promise<void> {
  locateApp(options)
  const environment = ownEnvironment()
  runFiles(options.name, environment)
  const { config, warnings } = readConfiguration(options)
  await load(config, options)
  for (const warning of warnings) printWarning(warning, options)
  for (const override of overridesOf(config, environment)) printWarning(override, options)
  print(
    options,
    config,
    `The configuration ${config.path} is valid, and the app ${config.appModule} loads`,
  )
}

/**
 * Reads the configuration and the keys of its endpoints.
 *
 * @throws HelloserverError `BAD_CONFIG` when no service can start with it
 */
export function readConfiguration({ name }: Options): {
  readonly config: Config
  readonly warnings: readonly string[]
} {
  const config = loadConfig(name, ownEnvironment())
  return { config, warnings: readKeys(config.listen).warnings }
}

/** Loads the app in this process, where its code may wait for ever or end the process. */
async function load({ appModule, reload }: Config, options: Options): Promise<void> {
  const onExit = () => {
    const message = `The app ${appModule} ended the process while it loaded`
    printError(new HelloserverError('APP_FAILED', message), options)
    process.exitCode = exitStatus.failed
  }
  process.once('exit', onExit)
  try {
    // The deadline also keeps the process alive if the app waits for something that never comes.
    await withDeadline(loadApp(appModule), reload.readyTimeoutMs, () => {
      const message = `The app ${appModule} did not load within ${reload.readyTimeoutMs} ms`
      throw new HelloserverError('APP_FAILED', message)
    })
  } finally {
    process.off('exit', onExit)
  }
}
