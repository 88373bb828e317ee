import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** An empty folder of mode 0700 that is gone after the test; its path has no symbolic link in it. */
export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'hs-unit-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
