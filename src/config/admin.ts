import { readFileSync, statSync } from 'node:fs'
import { BlockList, isIP, isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import { HelloserverError, messageOf } from '../errors.ts'
import type { ConfigFile } from './schema.ts'

/** Where the page is when `admin.http` says no more than `true`. */
const defaultHost = '127.0.0.1'
const defaultPort = 30_154

/** So many connections to the page at a time: enough to hold up a flood with late answers; those past it are closed. */
export const maxAdminConnections = 256

const minTokenLength = 16
const maxTokenLength = 512

/** Whether others than the owner of a file, and its group, may read it. */
const othersMayRead = 0o004

export interface AdminAddress {
  readonly host: string
  readonly port: number
}

/** How the page is to be had. */
export interface AdminSettings {
  readonly address: AdminAddress
  /** Whether only programs of this host can reach it. */
  readonly isLoopback: boolean
  /** Further names that it may be asked for by. */
  readonly hosts: readonly string[]
  /** What lets somebody act; and read, where others than this host can reach it. */
  readonly token: string | undefined
}

/**
 * The settings of the page, with its token out of its file; undefined when it is off. The token is not part of the
 * configuration, which workers are given.
 *
 * @param directory - what the token's path is relative to
 * @throws HelloserverError `BAD_CONFIG` for a token that cannot be had, or a page that anybody could read
 */
export function adminSettings(
  { http, hosts, tokenFile }: ConfigFile['admin'],
  directory: string,
): AdminSettings | undefined {
  const address = addressOf(http)
  if (address === undefined) return undefined
  const token = tokenFile === undefined ? undefined : readToken(resolve(directory, tokenFile))
  const isLoopback = isLoopbackHost(address.host)
  if (!isLoopback && token === undefined) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `admin.http is ${JSON.stringify(http)}, which other hosts can reach; set admin.tokenFile, or listen on ${defaultHost}`,
    )
  }
  return { address, isLoopback, hosts: hosts.map((host) => host.toLowerCase()), token }
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

function addressOf(http: ConfigFile['admin']['http']): AdminAddress | undefined {
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

function isLoopbackHost(host: string): boolean {
  if (isIP(host) === 0) return host === 'localhost'
  return loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

function readToken(path: string): string {
  const refuse = (problem: string, cause?: unknown) =>
    new HelloserverError('BAD_CONFIG', `admin.tokenFile "${path}" ${problem}`, { cause })
  let token: string
  try {
    if ((statSync(path).mode & othersMayRead) !== 0) {
      throw refuse(`can be read by every user; run "chmod 600 ${path}"`)
    }
    token = readFileSync(path, 'utf8').trim()
  } catch (error) {
    if (error instanceof HelloserverError) throw error
    throw refuse(`cannot be read: ${messageOf(error)}`, error)
  }
  // What a header can carry.
  if (
    !/^[\x21-\x7e]+$/.test(token) ||
    token.length < minTokenLength ||
    token.length > maxTokenLength
  ) {
    throw refuse(
      `must hold one line of ${minTokenLength} to ${maxTokenLength} printable characters without spaces, such as "openssl rand -hex 24" prints`,
    )
  }
  return token
}
