import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const root = new URL('../../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')

test('each name that CONTRIBUTING tells to look for is in a file that it tells to look in', () => {
  const [, map = ''] = read('CONTRIBUTING.md').split('## Where to add what')
  const rows = map.split('\n').filter((line) => /^\| an? /.test(line))
  assert.ok(rows.length >= 10, 'no map was found')
  for (const row of rows) {
    const codes = [...row.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
    const isFile = (code: string) => /^(src|test|docs|apps)\//.test(code)
    const texts = codes.filter(isFile).map(read)
    for (const name of codes.filter((code) => !isFile(code))) {
      assert.ok(
        texts.some((text) => text.includes(name)),
        `none of the files has ${name}: ${row}`,
      )
    }
  }
})
