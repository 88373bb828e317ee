import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Command, keysIn, type Mode, press, watching } from '../../../../src/cli/top/keys.ts'

/** What a row of keys asks for, of a service with four workers. */
function asked(keys: string): Command[] {
  const commands: Command[] = []
  let mode: Mode = watching
  for (const key of keysIn(keys)) {
    const pressed = press(mode, key, 4)
    mode = pressed.mode
    if (pressed.command !== undefined) commands.push(pressed.command)
  }
  return commands
}

for (const [keys, commands] of [
  ['q', [{ kind: 'quit' }]],
  ['\x03', [{ kind: 'quit' }]],
  ['r\x03', [{ kind: 'quit' }]],
  ['\x1a\x0c', [{ kind: 'suspend' }, { kind: 'redraw' }]],
  ['r', []],
  ['ry', [{ kind: 'reload' }]],
  ['ryy', [{ kind: 'reload' }]],
  ['rn', []],
  ['rq', []],
  ['r\x1by', []],
  // Meant for something else: the question stays.
  ['rxy', [{ kind: 'reload' }]],
  ['y', []],
  ['+y', [{ kind: 'scale', workers: 5 }]],
  ['++-+y', [{ kind: 'scale', workers: 6 }]],
  ['-------y', [{ kind: 'scale', workers: 1 }]],
  ['+ny', []],
  ['hq', [{ kind: 'quit' }]],
  ['hxry', [{ kind: 'reload' }]],
  // An arrow is no Escape and nothing else.
  ['r\x1b[Ay', [{ kind: 'reload' }]],
  ['\x1bOP\x1b[1;5C', []],
] as const) {
  test(`${JSON.stringify(keys)} asks for ${JSON.stringify(commands)}`, () =>
    assert.deepEqual(asked(keys), commands))
}

test('nobody scales what is not known', () => {
  assert.deepEqual(press(watching, '+', undefined), { mode: watching })
})

test('nothing changes the service without a yes', () => {
  const keys = fc.array(fc.constantFrom('r', 'h', 'n', '+', '-', 'q', '?', 'x', '\x1b'), {
    maxLength: 20,
  })
  fc.assert(
    fc.property(keys, (row) => {
      assert.ok(
        row.every((_, at) =>
          asked(row.slice(0, at + 1).join('')).every(({ kind }) => kind === 'quit'),
        ),
      )
    }),
  )
})
