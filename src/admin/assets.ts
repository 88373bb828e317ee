import { readdirSync, readFileSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('./page/', import.meta.url))

/** Code that the page shares with the service: its `../../endpoint.js` is `/endpoint.js` in a browser. */
const shared = ['endpoint.js']
const sharedFolder = fileURLToPath(new URL('../', import.meta.url))

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
  const files = [
    ...readdirSync(folder).map((file) => join(folder, file)),
    ...shared.map((file) => join(sharedFolder, file)),
  ]
  const assets = files.flatMap((file) => {
    const type = types[extname(file)]
    if (type === undefined) return []
    const name = basename(file)
    return [
      [name === 'index.html' ? '/' : `/${name}`, { type, content: readFileSync(file) }] as const,
    ]
  })
  return new Map(assets)
}
