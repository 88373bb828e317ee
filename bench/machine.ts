import { readFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from './paths.ts'

/** The properties of the machine that affect the figures, and nothing that identifies its owner. */
export interface Machine {
  cpu: string
  cores: number
  memoryGb: number
  system: string
  node: string
  pm2: string | null
  /** Processes that wanted to run in the minute before: above zero, the machine had other users. */
  loadBefore: number
}

async function pm2Version(): Promise<string | null> {
  const file = join(projectRoot, 'node_modules', 'pm2', 'package.json')
  try {
    const contents: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (typeof contents !== 'object' || contents === null || !('version' in contents)) return null
    return String(contents.version)
  } catch {
    return null // not installed, which matters only to the pm2 target
  }
}

export async function describeMachine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    // Only major and minor: the rest of a kernel's release may name the person who built it.
    system: `${process.platform} ${release().split('.').slice(0, 2).join('.')} ${process.arch}`,
    node: process.version,
    pm2: await pm2Version(),
    loadBefore: loadavg()[0] ?? 0,
  }
}
