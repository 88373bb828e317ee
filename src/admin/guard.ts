import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isIPv6 } from 'node:net'
import type { AdminSettings } from '../config/admin.ts'

/**
 * What a route is: the page's own files, which have nothing of the service in them; a probe's word, for anybody; what
 * tells of the service; what changes it.
 */
export type Access = 'page' | 'probe' | 'read' | 'act'

/** Why a request is not answered. */
export interface Refusal {
  readonly status: 401 | 403 | 421
  readonly reason: string
}

/** A request, as far as it is judged. */
export interface Asked {
  readonly access: Access
  readonly headers: IncomingHttpHeaders
  /** The address of this host that it came to. */
  readonly localAddress: string | undefined
}

/**
 * Whether a request may be answered: a web page of another site makes the browser of whoever looks at it send
 * requests here, too, and the name of that site may point to this host by then (DNS rebinding).
 */
export function refusalOf(asked: Asked, settings: AdminSettings): Refusal | undefined {
  const { headers, access } = asked
  // A browser always names the host; a client that names none, such as a plain probe, is no browser.
  const { host } = headers
  // Load balancers put any name there, and one word about the service is worth nothing to whoever rebinds a name.
  if (access !== 'probe' && host !== undefined && !isOwnHost(host, asked.localAddress, settings)) {
    return {
      status: 421,
      reason: `The host "${printable(host)}" is not this service's; add it to admin.hosts if it should be`,
    }
  }
  if (isForeign(headers, access)) {
    return { status: 403, reason: 'Another site may not ask for this' }
  }
  const needsToken = access === 'act' || (access === 'read' && !settings.isLoopback)
  if (!needsToken) return undefined
  if (settings.token === undefined) {
    return { status: 403, reason: 'Nobody may do this: there is no admin.tokenFile' }
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
  // A name that is an address cannot be pointed elsewhere.
  const local = localAddress?.replace(/^::ffff:(?=\d+\.)/, '').toLowerCase()
  const own = [address.host.toLowerCase(), 'localhost', '127.0.0.1', '::1', ...hosts]
  return own.includes(name) || (!isLoopback && name === local)
}

/** The name in a Host header, without its port and an IPv6 address's brackets. */
function nameIn(header: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:[\]\s/@]+))(?::\d{1,5})?$/.exec(header) ?? []
  if (bracketed !== undefined) return isIPv6(bracketed) ? bracketed.toLowerCase() : undefined
  // The root's dot at the end of a name is the same name.
  return plain?.replace(/\.$/, '').toLowerCase()
}

/** Whether a browser says that another site is behind it. */
function isForeign(headers: IncomingHttpHeaders, access: Access): boolean {
  const { origin, host } = headers
  if (origin !== undefined) {
    const own = [`http://${host}`, `https://${host}`].map((one) => one.toLowerCase())
    if (!own.includes(origin.toLowerCase())) return true
  }
  const site = headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return false
  // Somebody follows a link to the page, which has nothing in it yet.
  const isVisit =
    headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  return !(access === 'page' && isVisit)
}

/** By digests, which are of one length, in a time that does not depend on what they are. */
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
