import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { loadScript } from '../../src/redis/script.ts'
import { RedisServer } from '../helpers/redis/server.ts'

const folder = new URL('../../src/redis/lua/', import.meta.url)
const files = readdirSync(folder)
const names = files.map((file) => file.replace(/\.lua$/, ''))
const texts = files.map((file) => readFileSync(new URL(file, folder), 'utf8'))

/** Lua 5.1, and the globals that Redis adds. */
const rules = ['--std', 'lua51', '--read-globals', 'redis.call', 'cjson', 'KEYS', 'ARGV']

/** The complaints of luacheck: syntax errors, undefined globals, unused values, long lines, … */
function complaintsAbout(source: string): string[] {
  const options = ['--formatter', 'plain', '--codes', '--no-color', '--max-line-length', '120']
  const { error, stdout } = spawnSync('luacheck', [...rules, ...options, '-'], {
    input: source,
    encoding: 'utf8',
  })
  assert.equal(error, undefined)
  return stdout.split('\n').filter((line) => line !== '')
}

/** A script need not use all that it includes. */
function isInIncludedPart(complaint: string, name: string, source: string): boolean {
  const [, line, code] = /^stdin:(\d+):\d+: \((\w+)\)/.exec(complaint) ?? []
  const own = readFileSync(new URL(`${name}.lua`, folder), 'utf8')
  const included = source.split('\n').length - own.split('\n').length
  const isIncludedElsewhere = texts.some((text) => text.includes(`--@include ${name}.lua\n`))
  return code === 'W211' && (isIncludedElsewhere || Number(line) <= included)
}

for (const name of names) {
  test(`luacheck has no complaint about ${name}.lua`, () => {
    const { source } = loadScript(name)
    const complaints = complaintsAbout(source)
    assert.deepEqual(
      complaints.filter((complaint) => !isInIncludedPart(complaint, name, source)),
      [],
    )
  })
}

test('luacheck complains about an unused variable, an undefined name and a syntax error', () => {
  const { source } = loadScript('forget-host')
  const bad = source.replace('\ntick()\n', '\nlocal unused = undefinedName\ntick()\n')
  const found = complaintsAbout(bad).filter(
    (complaint) => !isInIncludedPart(complaint, 'forget-host', bad),
  )
  assert.match(found.join('\n'), /W211.*unused[^]*W113.*undefinedName/)
  assert.match(complaintsAbout('if').join(), /E011/)
})

test('Redis loads every script, and knows it by the digest that is used to run it', async (t) => {
  const server = await RedisServer.start(t)
  assert.ok(names.length > 0)
  for (const name of names) {
    const { source, digest } = loadScript(name)
    assert.equal(await server.command('SCRIPT', 'LOAD', source), digest, name)
  }
})

test('every include is resolved, and only once', () => {
  for (const name of names) {
    const { source } = loadScript(name)
    assert.doesNotMatch(source, /--@include/, name)
    assert.ok(source.split('local function epoch()').length <= 2, name)
  }
})
