import type * as Pino from 'pino'
import * as required from 'pino'

export const pino: typeof Pino.pino = required.pino
// Inferred, the type would name a package of pino's own, which its declarations must not.
export const stdSerializers: typeof Pino.stdSerializers = required.stdSerializers
