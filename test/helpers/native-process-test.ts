import { type TestContext, test } from 'node:test'
import { loadNative } from '../../src/native/native.ts'

const { module, reason } = loadNative()

/** Declares a test of services with the native hand-off, which is skipped where the build has left it out. */
export function nativeProcessTest(name: string, run: (t: TestContext) => Promise<void>): void {
  void test(name, { skip: module === undefined && reason }, run)
}
