/** The test kit, `helloserver/testing`: public exports only. */
export { type LogLine, type TestApp, type TestAppOptions, testApp } from './testing/test-app.ts'
export { TestClock } from './testing/test-clock.ts'
export type { ConnectOptions, Outcome, TestClient, WriteOptions } from './testing/test-client.ts'
