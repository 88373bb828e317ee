import { join } from 'node:path'
import { stripsTypes } from '../../src/config/app-module.ts'
import { fetchedPackage } from './fetched-package.ts'

/** The release whose Node.js runs TypeScript as it is, where that of the tests does not. */
const release = '26'

/** A Node.js that runs TypeScript as it is: that of the tests, or else one that the registry of packages has. */
export function newerNode(): string {
  if (stripsTypes()) return process.execPath
  const folder = fetchedPackage(`node-${process.platform}-${process.arch}`, release)
  return join(folder, 'bin/node')
}
