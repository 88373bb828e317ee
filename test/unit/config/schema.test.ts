import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { configJsonSchema, configSchema } from '../../../src/config/schema.ts'

const file = new URL('../../../../config.schema.json', import.meta.url)

interface Described {
  readonly description?: string
  readonly default?: unknown
  readonly additionalProperties?: unknown
  readonly properties?: Readonly<Record<string, Described>>
}

/** Every setting of a JSON Schema with its path. */
function* settings(schema: Described, path = ''): Generator<[path: string, setting: Described]> {
  for (const [key, setting] of Object.entries(schema.properties ?? {})) {
    const at = path === '' ? key : `${path}.${key}`
    if (setting.properties === undefined) yield [at, setting]
    else yield* settings(setting, at)
  }
}

test('the file that editors read is what the validation says', () => {
  assert.equal(readFileSync(file, 'utf8'), `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
})

test('every setting is described, with its default', () => {
  for (const [path, { description = '', default: fallback }] of settings(configJsonSchema())) {
    assert.notEqual(description, '', path)
    if (typeof fallback === 'number' || typeof fallback === 'string') {
      const shown = description.match(/\[(.*)\]$/)?.[1]?.replaceAll('"', '')
      assert.equal(shown, String(fallback), path)
    }
  }
})

test('an editor is told of unknown keys too, at every level', () => {
  const schema = configJsonSchema() as Described
  assert.equal(schema.additionalProperties, false)
  for (const section of Object.values(schema.properties ?? {})) {
    if (section.properties !== undefined) assert.equal(section.additionalProperties, false)
  }
})

test('no setting is required', () => {
  assert.ok(configSchema.safeParse({}).success)
  assert.ok(!('required' in configJsonSchema()))
})
