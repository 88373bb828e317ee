/** Releases of Node.js and pm2 from the npm registry, installed when first needed. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from '../run.js'

/** The place of everything that the matrix fetches. */
export const cache = join(root, 'node_modules/.cache/matrix')

/** The program of a release of Node.js, and its full version. */
export function nodeProgram(release) {
  const name = `node-${process.platform}-${process.arch}`
  const path = join(installed(`node-${release}`, name, release), 'bin/node')
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' })
  return { path, version: stdout.trim().slice(1) }
}

/** The folder of a release of pm2, and its full version. */
export function pm2Folder(release) {
  const folder = installed(`pm2-${release}`, 'pm2', release)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return { folder, version }
}

function installed(key, name, release) {
  const folder = join(cache, key)
  const path = join(folder, 'node_modules', name)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n')
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${release}`]
  run('npm', args, { cwd: folder })
  return path
}
