import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type AdminSettings, maxAdminConnections } from '../config/admin.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Admission } from './admission.ts'
import { answerJson, safetyHeaders } from './answers.ts'
import { type Refusal, refusalOf } from './guard.ts'
import type { Route } from './routes.ts'

/** How long a request may take to arrive, and a connection may have none; milliseconds. */
const requestTimeoutMs = 5_000
const idleTimeoutMs = 5_000
const maxHeaderBytes = 8_192
/** Who asks too much waits so long for being told: a connection that floods is held up by itself. In milliseconds. */
const tooManyDelayMs = 1_000

const statusByCode: Readonly<Record<string, number>> = {
  BAD_USAGE: 400,
  HANDED_OVER: 503,
  CONTROL_FAILED: 409,
  BOOT_FAILED: 422,
}

export interface SiteOptions {
  readonly routes: ReadonlyMap<string, Route>
  /** Undefined while nobody is to be answered yet. */
  readonly settings: () => AdminSettings | undefined
  readonly admission: Admission
  readonly log: Logger
}

/** An HTTP server with the routes behind the guard; everything that a caller can use up is bounded. */
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

/** Connections with a request that is not answered yet. */
const asking = new WeakSet<Socket>()

/**
 * Whether nothing else is under way on a request's connection. Requests that do not wait for the answers before
 * (pipelining, which no browser does) could be any number, and an answer that never gets its turn never ends either.
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
  // Whoever hangs up while it is answered has no more to be told.
  response.on('error', () => {})
  try {
    if (!options.admission.take()) {
      await delay(tooManyDelayMs)
      response.setHeader('Retry-After', '1')
      refuse(response, 429, 'Too many requests; ask again later')
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
        // Where there is nothing, nobody learns more than that.
        access: route?.access ?? 'probe',
        headers: request.headers,
        localAddress: request.socket.localAddress,
      },
      settings,
    )
    if (refusal !== undefined) deny(response, refusal)
    else if (route === undefined) refuse(response, 404, `There is nothing at ${path.slice(0, 100)}`)
    else if (!isMethod(request.method, route)) {
      response.setHeader('Allow', route.method === 'GET' ? 'GET, HEAD' : route.method)
      refuse(response, 405, `${path} wants ${route.method}`)
    } else await route.answer(request, response)
  } catch (error) {
    fail(response, error, options.log)
  }
}

function isMethod(method: string | undefined, route: Route): boolean {
  return method === route.method || (method === 'HEAD' && route.method === 'GET')
}

function deny(response: ServerResponse, { status, reason }: Refusal): void {
  if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="helloserver"')
  refuse(response, status, reason)
}

/** What was sent with the request is not read, so the connection cannot go on. */
function refuse(response: ServerResponse, status: number, message: string): void {
  response.setHeader('Connection', 'close')
  answerJson(response, status, { error: { message } })
}

function fail(response: ServerResponse, error: unknown, log: Logger): void {
  const status = statusByCode[codeOf(error) ?? '']
  if (status === undefined) log.error({ error }, 'Cannot answer a request to the page')
  if (response.headersSent) response.destroy()
  else refuse(response, status ?? 500, messageOf(error))
}
