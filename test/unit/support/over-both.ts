import { type TestContext, test } from 'node:test'
import { loadNative } from '../../../src/native/native.ts'

const native = loadNative()
const ofNative = new WeakSet<TestContext>()

/** Whether a test's connections go by the native transport. */
export const isNative = (t: TestContext): boolean => ofNative.has(t)

/** Runs a test of connections twice: over Node's own socket, and over the native transport. */
export function overBoth(name: string, run: (t: TestContext) => void | Promise<void>): void {
  void test(`${name} (a socket of Node's)`, run)
  // Where the module cannot be used, no service uses it either.
  const skip = native.module === undefined ? native.reason : false
  void test(`${name} (the native transport)`, { skip }, (t) => {
    ofNative.add(t)
    return run(t)
  })
}
