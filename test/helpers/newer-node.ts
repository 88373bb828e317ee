import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { stripsTypes } from '../../src/config/app-module.ts'
import { ownRoot } from '../../src/config/locate.ts'
import { run } from './run.ts'

/** The release whose Node.js runs TypeScript as it is, where that of the tests does not. */
const release = 26

/**
 * A Node.js that runs TypeScript as it is: that of the tests, or else one that the registry of packages has, fetched
 * on first use and kept with the packages.
 */
export function newerNode(): string {
  if (stripsTypes()) return process.execPath
  const folder = join(ownRoot, 'node_modules/.cache/helloserver', `node-${release}`)
  const name = `node-${process.platform}-${process.arch}`
  const node = join(folder, 'node_modules', name, 'bin/node')
  if (existsSync(node)) return node
  // Under another name until it is whole: another test may look for it meanwhile.
  const fetched = `${folder}.${process.pid}`
  mkdirSync(fetched, { recursive: true })
  const options = ['--prefix', fetched, '--no-save', '--prefer-offline', '--no-audit', '--no-fund']
  run('npm', ['install', ...options, `${name}@${release}`])
  mkdirSync(dirname(folder), { recursive: true })
  renameSync(fetched, folder)
  return node
}
