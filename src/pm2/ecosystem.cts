/** `helloserver/pm2` for `require`, as in an `ecosystem.config.cjs`. */
import type * as Ecosystem from './ecosystem.ts' with { 'resolution-mode': 'import' }

const ecosystem = require('./ecosystem.js') as typeof Ecosystem
declare namespace ecosystem {
  export type Entry = Ecosystem.Entry
  export type ServiceOptions = Ecosystem.ServiceOptions
  export type Variables = Ecosystem.Variables
}
// @ts-expect-error -- the only form in which a CommonJS module exports values and types
export = ecosystem
