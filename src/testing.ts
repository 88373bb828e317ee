/** The test kit, `helloserver/testing`: public exports only. */
export type { LineEnding } from './config/line-endings.ts'
export type { TcpAddress } from './ipc/socket-handle.ts'
export type { ConnectionLease } from './ipc/worker-messages.ts'
export type { FailReason } from './lifecycle/fail-reasons.ts'
export {
  type ConnectionSettings,
  type LogLine,
  type TestApp,
  type TestAppOptions,
  testApp,
} from './testing/test-app.ts'
export type {
  ConnectOptions,
  Outcome,
  TestClient,
  TlsOptions,
  WriteOptions,
} from './testing/test-client.ts'
export { TestClock } from './testing/test-clock.ts'
export type { ConnectionLimits } from './worker/connection.ts'
export type { SocketOptions } from './worker/socket-transport.ts'
