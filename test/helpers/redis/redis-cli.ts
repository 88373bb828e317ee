import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Certificates } from './certificates.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface CliOptions {
  /** Runs it, as `Host.wrapper` does. */
  readonly wrapper?: readonly string[]
  readonly tls?: Certificates
  readonly name?: string
  readonly password?: string
}

/** A Redis that does not answer within this time is not there, in milliseconds. */
const patienceMs = 2_000

/** Runs one command by redis-cli, which is nobody's code here; an error of Redis rejects. */
export async function redisCli(
  { host, port }: Address,
  words: readonly string[],
  { wrapper = [], tls, name, password }: CliOptions = {},
): Promise<string> {
  const args = ['-h', host, '-p', String(port), '-e', '--no-auth-warning']
  if (tls !== undefined) args.push('--tls', '--cacert', tls.authority)
  if (password !== undefined) args.push('--user', name ?? 'default', '--pass', password)
  const [program = '', ...rest] = [...wrapper, 'redis-cli', ...args, ...words]
  const { stdout } = await promisify(execFile)(program, rest, { timeout: patienceMs })
  return stdout.replace(/\n$/, '')
}
