import { ownEnvironment } from '../config/environment.ts'
import { type Config, loadConfig, overridesOf } from '../config/load.ts'
import { runFiles } from '../config/run-dir.ts'
import { mustKnowUsers } from '../process/privileges.ts'
import { readKeys } from '../tls/keyring.ts'
import { tryApp } from './app-trial.ts'
import { locateApp, type WithExample } from './locate-app.ts'
import type { Options } from './options.ts'
import { print, printWarning } from './output.ts'

/** Reads the configuration and loads the app, as the start of a service and its workers would. */
export async function checkService(options: Options & WithExample): Promise<void> {
  locateApp(options)
  const environment = ownEnvironment()
  runFiles(options.name, environment)
  const { config, warnings } = readConfiguration(options)
  if (!(await tryApp(config.appModule, config.reload.readyTimeoutMs, options))) return
  for (const warning of warnings) printWarning(warning, options)
  for (const override of overridesOf(config, environment)) printWarning(override, options)
  print(
    options,
    config,
    `The configuration ${config.path} is valid, and the app ${config.appModule} loads`,
  )
}

/**
 * Reads the configuration and the keys of its endpoints, and looks up its users.
 *
 * @throws HelloserverError `BAD_CONFIG` when no service can start with it
 */
export function readConfiguration({ name }: Options): {
  readonly config: Config
  readonly warnings: readonly string[]
} {
  const config = loadConfig(name, ownEnvironment())
  mustKnowUsers(config)
  return { config, warnings: readKeys(config.listen).warnings }
}
