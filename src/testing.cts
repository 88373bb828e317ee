/** `helloserver/testing` for `require`, and its types for CommonJS projects. */
import type * as Testing from './testing.ts' with { 'resolution-mode': 'import' }

const testing = require('./testing.js') as typeof Testing
declare namespace testing {
  export type ConnectionLease = Testing.ConnectionLease
  export type ConnectionLimits = Testing.ConnectionLimits
  export type ConnectionSettings = Testing.ConnectionSettings
  export type ConnectOptions = Testing.ConnectOptions
  export type FailReason = Testing.FailReason
  export type LineEnding = Testing.LineEnding
  export type LogLine = Testing.LogLine
  export type Outcome = Testing.Outcome
  export type SocketOptions = Testing.SocketOptions
  export type TcpAddress = Testing.TcpAddress
  export type TestApp = Testing.TestApp
  export type TestAppOptions<Settings> = Testing.TestAppOptions<Settings>
  export type TestClient = Testing.TestClient
  export type TestClock = Testing.TestClock
  export type TlsOptions = Testing.TlsOptions
  export type WriteOptions = Testing.WriteOptions
}
// @ts-expect-error -- the only form in which a CommonJS module exports values and types
export = testing
