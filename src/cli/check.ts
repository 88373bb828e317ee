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
  const config = loadConfig(options.name, environment)
  const { warnings } = readKeys(config.listen)
  await load(config, options)
  for (const warning of warnings) printWarning(warning, options)
  for (const override of overridesOf(config, environment)) printWarning(override, options)
  print(
    options,
    config,
    `The configuration ${config.path} is valid, and the app ${config.appModule} loads`,
  )
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
