import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isIPv6 } from 'node:net'
import type { AdminSettings } from '../config/admin-settings.ts'

/**
 * The kind of a route: the page's own files, which contain nothing about the service; a probe, which needs no token; a
 * route that reads the service's state; one that changes the service.
 */
export type Access = 'page' | 'probe' | 'read' | 'act'

/** The reason why a request is not answered. */
export interface Refusal {
  readonly status: 401 | 403 | 421
  readonly reason: string
}

/** The facts by which a request is judged. */
export interface Asked {
  readonly access: Access
  readonly headers: IncomingHttpHeaders
  /** The local address at which the request arrived. */
  readonly localAddress: string | undefined
}

/**
 * Decides whether a request may be answered. A page of another site can make its visitor's browser send requests
 * here, and the name of that site may point to this host by then (DNS rebinding).
 */
export function refusalOf(asked: Asked, settings: AdminSettings): Refusal | undefined {
  const { headers, access } = asked
  // A browser always sends a Host header; a client that sends none, such as a plain probe, is not a browser.
  const { host } = headers
  // Load balancers send any name, and a probe's one word about the service is worthless to a DNS rebinding attack.
  if (access !== 'probe' && host !== undefined && !isOwnHost(host, asked.localAddress, settings)) {
    return {
      status: 421,
      reason: `The host "${printable(host)}" is unknown; add it to admin.hosts to accept it`,
    }
  }
  if (isForeign(headers, access)) {
    return { status: 403, reason: 'A request from another site is refused' }
  }
  const needsToken = access === 'act' || (access === 'read' && !settings.isLoopback)
  if (!needsToken) return undefined
  if (settings.token === undefined) {
    return { status: 403, reason: 'Actions are disabled, since admin.tokenFile is not set' }
  }
  if (isToken(headers.authorization, settings.token)) return undefined
  return { status: 401, reason: 'The token is missing or wrong' }
}

function isOwnHost(
  header: string,
  localAddress: string | undefined,
  { address, isLoopback, hosts }: AdminSettings,
): boolean {
  const name = nameIn(header)
  if (name === undefined) return false
  // A literal address cannot be pointed elsewhere.
  const local = localAddress?.replace(/^::ffff:(?=\d+\.)/, '').toLowerCase()
  const own = [address.host.toLowerCase(), 'localhost', '127.0.0.1', '::1', ...hosts]
  return own.includes(name) || (!isLoopback && name === local)
}

/** The name in a Host header, without its port and the brackets of an IPv6 address. */
function nameIn(header: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:[\]\s/@]+))(?::\d{1,5})?$/.exec(header) ?? []
  if (bracketed !== undefined) return isIPv6(bracketed) ? bracketed.toLowerCase() : undefined
  // A trailing dot, for the DNS root, makes no difference to a name.
  return plain?.replace(/\.$/, '').toLowerCase()
}

/** Whether the browser reports that another site caused the request. */
function isForeign(headers: IncomingHttpHeaders, access: Access): boolean {
  const { origin, host } = headers
  if (origin !== undefined) {
    const own = [`http://${host}`, `https://${host}`].map((one) => one.toLowerCase())
    if (!own.includes(origin.toLowerCase())) return true
  }
  const site = headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return false
  // A user follows a link to the page, which contains no data yet.
  const isVisit =
    headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  return !(access === 'page' && isVisit)
}

/** Compares digests, which have equal lengths, in a time that does not depend on their content. */
function isToken(authorization: string | undefined, token: string): boolean {
  const [, given = ''] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? []
  return timingSafeEqual(digest(given), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 100)
}
