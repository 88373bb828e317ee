import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type AdminSettings, maxAdminConnections } from '../config/admin-settings.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { TokenBucket } from '../token-bucket.ts'
import { answerJson, safetyHeaders } from './answers.ts'
import { type Access, type Refusal, refusalOf } from './guard.ts'
import type { Route } from './routes.ts'

/** How long a request may take to arrive, and how long a connection may stay idle, in milliseconds. */
const requestTimeoutMs = 5_000
const idleTimeoutMs = 5_000
const maxHeaderBytes = 8_192
/** The delay before a refusal for too many requests, in milliseconds: it slows a flooding connection down. */
const tooManyDelayMs = 1_000

/** The methods that the server as a whole supports. */
const everyMethod = 'GET, HEAD, POST, OPTIONS'

const statusByCode: Readonly<Record<string, number>> = {
  BAD_USAGE: 400,
  HANDED_OVER: 503,
  CONTROL_FAILED: 409,
  BOOT_FAILED: 422,
  CANNOT_SPAWN: 503,
}

export interface SiteOptions {
  readonly routes: ReadonlyMap<string, Route>
  /** Undefined until requests may be answered. */
  readonly settings: () => AdminSettings | undefined
  readonly requests: TokenBucket
  readonly log: Logger
}

/** An HTTP server whose routes are behind the guard; every resource that a client can use up is bounded. */
export function createSite(options: SiteOptions): Server {
  const server = createServer(
    {
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: idleTimeoutMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: maxHeaderBytes,
    },
    (request, response) => {
      if (isAlone(request, response)) void respond(request, response, options)
      else request.socket.destroy()
    },
  )
  server.maxConnections = maxAdminConnections
  return server
}

/** Connections with a request that has not been answered yet. */
const asking = new WeakSet<Socket>()

/**
 * Whether a request is the only one in progress on its connection. Pipelined requests, which no browser sends, could
 * arrive in any number, and an answer that never gets its turn never ends.
 */
function isAlone({ socket }: IncomingMessage, response: ServerResponse): boolean {
  if (asking.has(socket)) return false
  asking.add(socket)
  response.once('close', () => asking.delete(socket))
  return true
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: SiteOptions,
): Promise<void> {
  for (const [name, value] of Object.entries(safetyHeaders)) {
    if (value !== undefined) response.setHeader(name, value)
  }
  // The client may hang up before it has the whole answer.
  response.on('error', () => {})
  try {
    if (!options.requests.take(1)) {
      await delay(tooManyDelayMs)
      response.setHeader('Retry-After', '1')
      refuse(response, 429, 'Too many requests; try again later')
      return
    }
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    const route = options.routes.get(path)
    const settings = options.settings()
    if (settings === undefined) {
      refuse(response, 503, 'The page is not open yet')
      return
    }
    const refusal = refusalOf(
      {
        access: accessOf(request, route),
        headers: request.headers,
        localAddress: request.socket.localAddress,
      },
      settings,
    )
    if (refusal !== undefined) deny(response, refusal)
    else if (request.method === 'OPTIONS' && path === '*') tellMethods(response, everyMethod)
    else if (route === undefined) refuse(response, 404, `There is nothing at ${path.slice(0, 100)}`)
    else await answerBy(route, request, response)
  } catch (error) {
    fail(response, error, options.log)
  }
}

/**
 * Neither a path without a route nor a route's list of methods reveals anything about the service, so neither
 * requires a token.
 */
function accessOf({ method }: IncomingMessage, route: Route | undefined): Access {
  if (route?.access === 'probe') return 'probe'
  return route === undefined || method === 'OPTIONS' ? 'page' : route.access
}

async function answerBy(
  route: Route,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method } = request
  const allowed = route.method === 'GET' ? 'GET, HEAD, OPTIONS' : `${route.method}, OPTIONS`
  if (method === 'OPTIONS' && route.access === 'probe') {
    // A load balancer that probes by OPTIONS reads the status, which must be the same as for GET.
    response.setHeader('Allow', allowed)
    await route.answer(request, response)
  } else if (method === 'OPTIONS') tellMethods(response, allowed)
  else if (method === route.method || (method === 'HEAD' && route.method === 'GET')) {
    await route.answer(request, response)
  } else {
    response.setHeader('Allow', allowed)
    refuse(response, 405, `The path takes ${route.method}, not ${method}`)
  }
}

/** Sends no CORS headers: a preflight request from another site has been refused before. */
function tellMethods(response: ServerResponse, methods: string): void {
  response.writeHead(204, { Allow: methods })
  response.end()
}

function deny(response: ServerResponse, { status, reason }: Refusal): void {
  if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="helloserver"')
  refuse(response, status, reason)
}

/** The request's body is not read, so the connection cannot be reused. */
function refuse(response: ServerResponse, status: number, message: string): void {
  response.setHeader('Connection', 'close')
  answerJson(response, status, { error: { message } })
}

function fail(response: ServerResponse, error: unknown, log: Logger): void {
  const status = statusByCode[codeOf(error) ?? '']
  if (status === undefined) log.error({ error }, 'Cannot answer a request to the admin page')
  if (response.headersSent) response.destroy()
  else refuse(response, status ?? 500, messageOf(error))
}
