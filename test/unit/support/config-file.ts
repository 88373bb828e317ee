import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Environment } from '../../../src/config/environment.ts'
import { type Config, loadConfig } from '../../../src/config/load.ts'
import { tempFolder } from './temp-folder.ts'

/** A folder with an app and a configuration file of this content. */
export function configFile(t: TestContext, content: string): string {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'app.js'), 'export default { handle() {} }\n')
  const path = join(folder, 'config.json')
  writeFileSync(path, content)
  return path
}

/** Loads settings as if they were in a file. */
export function load(t: TestContext, settings: unknown, environment: Environment = {}): Config {
  const HELLOSERVER_CONFIG = configFile(t, JSON.stringify(settings))
  return loadConfig('test', { ...environment, HELLOSERVER_CONFIG })
}
