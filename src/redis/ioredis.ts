/** The Redis client, by `require`: an `import` of CommonJS takes half as long again (see src/control/json-rpc.ts). */
import { createRequire } from 'node:module'
import type * as IoRedis from 'ioredis'

export const { Cluster, Redis } = createRequire(import.meta.url)('ioredis') as typeof IoRedis

export type Cluster = IoRedis.Cluster
export type Redis = IoRedis.Redis
