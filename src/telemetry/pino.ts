/** The logger's package, by `require`, which loads CommonJS faster than `import` (see src/control/json-rpc.ts). */
import { createRequire } from 'node:module'
import type * as Pino from 'pino'

export const { pino, stdSerializers } = createRequire(import.meta.url)('pino') as typeof Pino
