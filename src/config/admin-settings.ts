import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { TcpEndpoint } from '../endpoint.ts'
import { HelloserverError, messageOf } from '../errors.ts'
import { readText } from '../files/read-text.ts'
import { addressOf, defaultHost, isLoopbackHost } from './admin-address.ts'
import type { ConfigFile } from './schema.ts'

/** How many connections to the page may be open: enough to slow a flood by late answers; more are closed. */
export const maxAdminConnections = 256

const minTokenLength = 16
const maxTokenLength = 512

/** The mode bit that lets users outside a file's owner and group read it. */
const othersMayRead = 0o004

/** How the page can be reached. */
export interface AdminSettings {
  readonly address: TcpEndpoint
  /** Whether only programs on this host can reach it. */
  readonly isLoopback: boolean
  /** Additional host names under which it may be requested. */
  readonly hosts: readonly string[]
  /** Required to act and, where other hosts can reach the page, to read. */
  readonly token: string | undefined
}

/**
 * The settings of the page, with the token read from its file; undefined when the page is off. The token is not
 * part of the configuration, which workers receive.
 *
 * @param directory - the base of the token's relative path
 * @throws HelloserverError `BAD_CONFIG` for a token that cannot be used, or a page that every host could read
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

function readToken(path: string): string {
  const refuse = (problem: string, cause?: unknown) =>
    new HelloserverError('BAD_CONFIG', `admin.tokenFile "${path}" ${problem}`, { cause })
  let token: string
  try {
    if ((statSync(path).mode & othersMayRead) !== 0) {
      throw refuse(`can be read by every user; run "chmod 600 ${path}"`)
    }
    token = readText(path).trim()
  } catch (error) {
    if (error instanceof HelloserverError) throw error
    throw refuse(`cannot be read: ${messageOf(error)}`, error)
  }
  // The characters that a header can carry.
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
