export type { App, Context } from './app/app.ts'
export { defineApp } from './app/app.ts'
export { type ErrorCode, HelloserverError, LineTooLongError } from './errors.ts'
export type { Connection, Remote } from './worker/connection.ts'
