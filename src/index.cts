/** The package for `require`: the same objects as for `import`, and their types for CommonJS projects. */
import type * as Package from './index.ts' with { 'resolution-mode': 'import' }

const helloserver = require('./index.js') as typeof Package
declare namespace helloserver {
  export type App<Settings = Readonly<Record<string, unknown>>> = Package.App<Settings>
  export type Connection = Package.Connection
  export type Context<Settings = Readonly<Record<string, unknown>>> = Package.Context<Settings>
  export type ErrorCode = Package.ErrorCode
  export type HelloserverError = Package.HelloserverError
  export type LineTooLongError = Package.LineTooLongError
  export type Remote = Package.Remote
}
// @ts-expect-error -- the only form in which a CommonJS module exports values and types
export = helloserver
