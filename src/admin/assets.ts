import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('./page/', import.meta.url))

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

export interface Asset {
  readonly type: string
  readonly content: Buffer
}

/** The page's files by path, read once, so that the files served belong to the running build. */
export function readAssets(): ReadonlyMap<string, Asset> {
  const assets = readdirSync(folder).flatMap((file) => {
    const type = types[extname(file)]
    if (type === undefined) return []
    const path = file === 'index.html' ? '/' : `/${file}`
    return [[path, { type, content: readFileSync(join(folder, file)) }] as const]
  })
  return new Map(assets)
}
