import { type TestContext, test } from 'node:test'
import { loadNative } from '../../../src/native/native.ts'

const { module, reason } = loadNative()

/** Declares a test of the native module, which is skipped where the build has left it out. */
export function nativeTest(name: string, run: (t: TestContext) => void | Promise<void>): void {
  void test(name, { skip: module === undefined && reason }, run)
}
