/** The logger's package, by `require`, which loads CommonJS faster than `import` (see src/control/json-rpc.ts). */
import { createRequire } from 'node:module'
import type * as Pino from 'pino'

const required = createRequire(import.meta.url)('pino') as typeof Pino

export const pino: typeof Pino.pino = required.pino
// Inferred, the type would name a package of pino's own, which its declarations must not.
export const stdSerializers: typeof Pino.stdSerializers = required.stdSerializers
