import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ownRoot } from '../../src/config/locate.ts'
import { run } from './run.ts'

/** The folder of a package that the registry has, fetched on first use and kept with the packages of this checkout. */
export function fetchedPackage(name: string, release: string): string {
  const key = `${name.replace('/', '-')}-${release}`
  const folder = join(ownRoot, 'node_modules/.cache/helloserver', key)
  const place = join(folder, 'node_modules', name)
  if (existsSync(place)) return place
  // Under another name until it is whole: another test may look for it meanwhile.
  const fetched = `${folder}.${process.pid}`
  mkdirSync(fetched, { recursive: true })
  const options = ['--prefix', fetched, '--no-save', '--prefer-offline', '--no-audit', '--no-fund']
  run('npm', ['install', ...options, `${name}@${release}`])
  mkdirSync(dirname(folder), { recursive: true })
  if (!existsSync(folder)) renameSync(fetched, folder)
  return place
}
