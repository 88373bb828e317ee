import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AdminSettings } from '../config/admin-settings.ts'
import { isWorkerCount, workersAllowed } from '../config/worker-count.ts'
import { HelloserverError } from '../errors.ts'
import type { Exposition } from '../metrics/exposition.ts'
import { answer, answerJson, answerText, bodyOf } from './answers.ts'
import { readAssets } from './assets.ts'
import type { Access } from './guard.ts'
import type { LiveFeed } from './live-feed.ts'
import type { AdminTarget } from './service-interface.ts'

export interface Route {
  readonly method: 'GET' | 'POST'
  readonly access: Access
  answer(request: IncomingMessage, response: ServerResponse): void | Promise<void>
}

export interface RouteOptions {
  readonly target: AdminTarget
  readonly metrics: Exposition
  readonly live: LiveFeed
  readonly settings: () => AdminSettings | undefined
}

/** All routes, by path. */
export function routesTo(options: RouteOptions): ReadonlyMap<string, Route> {
  const { target, metrics, live, settings } = options
  const own: Readonly<Record<string, Route>> = {
    '/healthz': get('probe', (response) => answerText(response, 200, 'alive')),
    '/readyz': get('probe', (response) => {
      const { state } = target.status()
      const isReady = state === 'serving' || state === 'degraded'
      answerText(response, isReady ? 200 : 503, state)
    }),
    '/metrics': get('read', async (response) => {
      answer(response, 200, metrics.contentType, await metrics.text())
    }),
    '/api/status': get('read', (response) => answerJson(response, 200, target.status())),
    '/api/live': get('read', (response) => {
      if (live.hasRoom) live.attach(response, settings()?.token !== undefined)
      else answerText(response, 503, 'Too many pages are open already; close one of them')
    }),
    // Lets the page check a token before it offers any action.
    '/api/token': post(async (response) => answerJson(response, 200, {})),
    '/api/reload': post(async (response) => {
      const result = await target.reload('the admin page')
      answerJson(response, result.outcome === 'done' ? 200 : 422, result)
    }),
    '/api/scale': post(async (response, request) => {
      const workers = workersIn(await bodyOf(request))
      await target.scale(workers)
      answerJson(response, 200, { workers })
    }),
  }
  const page = [...readAssets()].map(
    ([path, { type, content }]) =>
      [path, get('page', (response) => answer(response, 200, type, content))] as const,
  )
  return new Map([...page, ...Object.entries(own)])
}

function get(access: Access, respond: (response: ServerResponse) => void | Promise<void>): Route {
  return { method: 'GET', access, answer: (_, response) => respond(response) }
}

function post(
  respond: (response: ServerResponse, request: IncomingMessage) => Promise<void>,
): Route {
  return {
    method: 'POST',
    access: 'act',
    answer: (request, response) => respond(response, request),
  }
}

function workersIn({ workers }: Record<string, unknown>): number {
  if (isWorkerCount(workers)) return workers
  throw new HelloserverError(
    'BAD_USAGE',
    `workers is ${JSON.stringify(workers) ?? 'missing'}; it must be ${workersAllowed}`,
  )
}
