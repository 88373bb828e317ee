/** The package for `require`: the same objects as for `import`, and their types for CommonJS projects. */
import type * as Package from './index.ts' with { 'resolution-mode': 'import' }

const helloserver = require('./index.js') as typeof Package
declare namespace helloserver {
  export type App<Settings = Readonly<Record<string, unknown>>> = Package.App<Settings>
  export type Chunk = Package.Chunk
  export type Connection = Package.Connection
  export type ConnectionLease = Package.ConnectionLease
  export type ConnectionStream = Package.ConnectionStream
  export type ConnectionTls = Package.ConnectionTls
  export type Context<Settings = Readonly<Record<string, unknown>>> = Package.Context<Settings>
  export type ErrorCode = Package.ErrorCode
  export type FrameFormat = Package.FrameFormat
  export type Frames = Package.Frames
  export type HelloserverError = Package.HelloserverError
  export type LineTooLongError = Package.LineTooLongError
  export type Local = Package.Local
  export type Logger = Package.Logger
  export type ProxiedTls = Package.ProxiedTls
  export type ProxyHeader = Package.ProxyHeader
  export type Remote = Package.Remote
  export type TcpAddress = Package.TcpAddress
  export type UnixAddress = Package.UnixAddress
  export type UntilOptions = Package.UntilOptions
}
// @ts-expect-error -- the only form in which a CommonJS module exports values and types
export = helloserver
