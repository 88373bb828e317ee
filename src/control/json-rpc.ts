/**
 * The JSON-RPC package, by `require`: for an `import` of CommonJS, Node.js first searches its files for the names that
 * they export, which takes three times as long as loading them.
 */
import { createRequire } from 'node:module'
import type * as JsonRpc from 'json-rpc-2.0'

export const {
  createJSONRPCErrorResponse,
  JSONRPCClient,
  JSONRPCErrorCode,
  JSONRPCErrorException,
  JSONRPCServer,
  JSONRPCServerAndClient,
} = createRequire(import.meta.url)('json-rpc-2.0') as typeof JsonRpc

export type JSONRPCServerAndClient = JsonRpc.JSONRPCServerAndClient
