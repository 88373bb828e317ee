import { type TestContext, test } from 'node:test'
import { loadNative } from '../../../src/native/native.ts'

/** The ways by which a connection's bytes come and go, by their names in tests. */
const ways = {
  socket: "a socket of Node's",
  handle: "a handle of Node's",
  native: 'the native transport',
} as const

export type Way = keyof typeof ways

const native = loadNative()
const wayOfTest = new WeakMap<TestContext, Way>()

/** The way of a test that is run by `overEach`; any other's connections have a socket of Node's. */
export const wayOf = (t: TestContext): Way => wayOfTest.get(t) ?? 'socket'

/** Runs a test of connections once for each way. */
export function overEach(
  name: string,
  run: (t: TestContext) => void | Promise<void>,
  chosen: readonly Way[] = Object.keys(ways) as Way[],
): void {
  for (const way of chosen) {
    // Where the module cannot be used, no service uses it either.
    const skip = way === 'native' && native.module === undefined ? native.reason : false
    void test(`${name} (${ways[way]})`, { skip }, (t) => {
      wayOfTest.set(t, way)
      return run(t)
    })
  }
}
