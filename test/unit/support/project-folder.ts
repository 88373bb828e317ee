import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { tempFolder } from './temp-folder.ts'

/** A temporary folder with files, given by their paths in it; objects become JSON. */
export function projectFolder(
  t: TestContext,
  files: Readonly<Record<string, string | object>>,
): string {
  const root = tempFolder(t)
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return root
}
