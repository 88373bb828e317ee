import { join } from 'node:path'
import { ownRoot } from './locate.ts'
import { configPathOf } from './project.ts'

/** The apps that come with helloserver, by the name with which people ask for them, with their folders. */
const folders = { echo: 'helloserver', whois: 'whois', mllp: 'mllp' } as const

export type Example = keyof typeof folders

export const examples = Object.keys(folders) as readonly Example[]

/** The configuration of a bundled app. */
export function examplePath(example: Example): string {
  return configPathOf(folders[example], join(ownRoot, 'apps'))
}
