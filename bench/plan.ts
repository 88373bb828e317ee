import { echo, type Handler } from './handlers.ts'

/** Loads that are put, one after the other, on the same servers. */
export interface Stage {
  readonly workers: number
  readonly loads: readonly Load[]
}

export interface Load {
  readonly handler: Handler
  readonly clients: number
}

const burn: Handler = { name: 'burn-2', prefix: 'burn 2 ' }
const wait: Handler = { name: 'wait-5', prefix: 'wait 5 ' }

const loadsOf = (handlers: readonly Handler[], clients: readonly number[]) =>
  handlers.flatMap((handler) => clients.map((count) => ({ handler, clients: count })))

/** A few minutes. */
export const quickPlan: readonly Stage[] = [
  { workers: 2, loads: [...loadsOf([echo], [1, 16, 64]), ...loadsOf([burn, wait], [16])] },
]

/** From 1 worker to 64, and from 1 client to 1,024. */
export const fullPlan: readonly Stage[] = [
  {
    workers: 2,
    loads: [...loadsOf([echo], [1, 16, 64, 256, 1024]), ...loadsOf([burn, wait], [16, 64])],
  },
  { workers: 1, loads: loadsOf([echo], [16, 64]) },
  { workers: 8, loads: loadsOf([echo, wait], [64]) },
  { workers: 64, loads: loadsOf([echo, wait], [64]) },
]

/** Every combination of these. */
export function crossPlan(
  workers: readonly number[],
  handlers: readonly Handler[],
  clients: readonly number[],
): Stage[] {
  return workers.map((count) => ({ workers: count, loads: loadsOf(handlers, clients) }))
}
