import { BlockList, isIP, isIPv6 } from 'node:net'

/** Where the page is when `admin.http` says no more than `true`. */
export const defaultHost = '127.0.0.1'
const defaultPort = 30_154

/** Where the page listens. */
export interface AdminAddress {
  readonly host: string
  readonly port: number
}

/** `address` as it stands in a URL. */
export function authorityOf({ host, port }: AdminAddress): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}

/** Whether a text of `admin.http` is `host:port`; an IPv6 address has brackets. */
export function isAdminAddress(text: string): boolean {
  const { host, port } = parse(text) ?? {}
  return host !== undefined && port !== undefined && port >= 1 && port <= 65_535
}

/** @param http - as `admin.http` has it; undefined when the page is off */
export function addressOf(http: boolean | number | string): AdminAddress | undefined {
  if (http === false) return undefined
  if (http === true) return { host: defaultHost, port: defaultPort }
  if (typeof http === 'number') return { host: defaultHost, port: http }
  return parse(http)
}

function parse(text: string): AdminAddress | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined || (bracketed !== undefined && !isIPv6(bracketed))) return undefined
  return { host, port: Number(port) }
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether only programs of this host can reach what listens there. */
export function isLoopbackHost(host: string): boolean {
  if (isIP(host) === 0) return host === 'localhost'
  return loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}
