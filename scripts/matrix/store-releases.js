/**
 * Releases of Redis and Valkey, from the releases of Debian that have them.
 *
 * Each is unpacked into a folder of its own with all libraries that it depends on, including the C library, and runs
 * by the dynamic loader of that folder: nothing is installed, whatever Debian this machine has.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { cache } from './npm-releases.js'

/** The release of Debian that has each one. */
const sources = {
  'redis-6': 'bullseye',
  'redis-7': 'bookworm',
  'redis-8': 'forky',
  'valkey-8': 'trixie',
  'valkey-9': 'forky',
}

/** The programs, by the names that the tests call them by. */
const programs = ['server', 'sentinel', 'cli']

/**
 * A folder for the PATH, in which redis-server, redis-sentinel and redis-cli are those of a release; its version.
 * Throws when the mirror does not have that release of Debian, or this is no Debian.
 */
export function storeFolder(key) {
  const whole = join(cache, key)
  if (!existsSync(whole)) {
    const fetched = `${whole}.new`
    rmSync(fetched, { recursive: true, force: true })
    fetch(key, fetched)
    renameSync(fetched, whole)
  }
  const folder = join(whole, 'programs')
  mkdirSync(folder, { recursive: true })
  for (const program of programs) writeProgram(key, program, whole, folder)
  const { stdout } = spawnSync(join(folder, 'redis-server'), ['--version'], { encoding: 'utf8' })
  const [, version = 'that does not run'] = /v=(\S+)/.exec(stdout) ?? []
  return { folder, version: `${key.startsWith('valkey') ? 'Valkey' : 'Redis'} ${version}` }
}

/** Downloads the packages and all that they need, as if on a machine that has nothing, and unpacks them. */
function fetch(key, folder) {
  const [name] = key.split('-')
  for (const part of ['lists/partial', 'cache/archives/partial', 'root']) {
    mkdirSync(join(folder, part), { recursive: true })
  }
  const at = (file) => join(folder, file)
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  const source = `deb [signed-by=${keyring}] ${mirror()} ${sources[key]} main`
  writeFileSync(at('sources.list'), `${source}\n`)
  writeFileSync(at('status'), '')
  const settings = {
    'Dir::Etc::SourceList': at('sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': at('lists'),
    'Dir::State::status': at('status'),
    'Dir::Cache': at('cache'),
    // Its user may not enter the folder of another one.
    'APT::Sandbox::User': 'root',
  }
  const options = Object.entries(settings).flatMap(([setting, value]) => [
    '-o',
    `${setting}=${value}`,
  ])
  const wanted = programs.map((program) => `${name}-${program === 'cli' ? 'tools' : program}`)
  run('apt-get', [...options, '-qq', '--error-on=any', 'update'])
  const install = ['-qq', 'install', '-y', '--no-install-recommends', '--download-only']
  run('apt-get', [...options, ...install, ...wanted])
  const archives = at('cache/archives')
  for (const file of readdirSync(archives).filter((one) => one.endsWith('.deb'))) {
    run('dpkg-deb', ['--extract', join(archives, file), at('root')])
  }
  for (const part of ['lists', 'cache']) rmSync(at(part), { recursive: true })
}

function run(program, args) {
  execFileSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
}

/** The mirror of Debian that this machine uses. */
function mirror() {
  const args = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']
  const { stdout } = spawnSync('apt-get', args, { encoding: 'utf8' })
  const found = stdout?.split('\n').find((uri) => uri.endsWith('/debian/'))
  if (found === undefined) throw new Error('Redis and Valkey come from Debian, which this is not')
  return found
}

/** The programs behave by the name by which they are called. */
function writeProgram(key, program, whole, folder) {
  const [name] = key.split('-')
  const libraries = ['usr/lib', 'lib'].flatMap((at) => {
    const path = join(whole, 'root', at, `${machine()}-linux-gnu`)
    return existsSync(path) ? [path] : []
  })
  const loader = libraries.map((path) => join(path, loaderName())).find((path) => existsSync(path))
  const binary = join(whole, 'root/usr/bin', `${name}-${program}`)
  const command = [loader, '--library-path', libraries.join(':'), binary]
  // Debian's Redis 6 has parts of its Lua in packages of their own.
  const modules = libraries.map((path) => join(path, 'lua/5.1/?.so')).join(';')
  const lines = [
    '#!/bin/sh',
    `export LUA_CPATH='${modules};;'`,
    `exec '${command.join("' '")}' "$@"`,
  ]
  const file = join(folder, `redis-${program}`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  chmodSync(file, 0o755)
}

function machine() {
  return process.arch === 'arm64' ? 'aarch64' : 'x86_64'
}

function loaderName() {
  return process.arch === 'arm64' ? 'ld-linux-aarch64.so.1' : 'ld-linux-x86-64.so.2'
}
