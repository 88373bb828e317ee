import { BlockList, isIP, isIPv6 } from 'node:net'
import { parseEndpoint, type TcpEndpoint } from '../endpoint.ts'

/** The page's address, unless `admin.http` says otherwise. */
export const defaultHost = '127.0.0.1'
const defaultPort = 30_154

/** Whether a text of `admin.http` has the form `host:port`; an IPv6 address has brackets. */
export function isAdminAddress(text: string): boolean {
  return (tcpEndpoint(text)?.port ?? 0) > 0
}

/**
 * @param http - the value of `admin.http`
 * @returns undefined when the page is off
 */
export function addressOf(http: boolean | number | string): TcpEndpoint | undefined {
  if (http === false) return undefined
  if (http === true) return { host: defaultHost, port: defaultPort }
  if (typeof http === 'number') return { host: defaultHost, port: http }
  return tcpEndpoint(http)
}

/** Browsers and load balancers reach no Unix socket. */
function tcpEndpoint(text: string): TcpEndpoint | undefined {
  const endpoint = parseEndpoint(text)
  return endpoint?.path === undefined ? endpoint : undefined
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether only programs on this host can reach a listener at `host`. */
export function isLoopbackHost(host: string): boolean {
  if (isIP(host) === 0) return host === 'localhost'
  return loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}
