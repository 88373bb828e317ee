export type { App, Context } from './app.ts'
export { defineApp } from './app.ts'
export { type ErrorCode, HelloserverError, LineTooLongError } from './errors.ts'
export type { Connection, Remote } from './worker/connection.ts'
