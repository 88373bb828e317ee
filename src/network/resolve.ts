import { type ExecFileException, execFile } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** How long the name service may take, in milliseconds; a caller that still needs the name then asks again. */
const answerWithinMs = 3_000

/** The exit status of getent for a name that it does not find. */
const notFound = 2

/**
 * The first address of a host, in the order of getaddrinfo(3).
 *
 * The program getent asks, not this process: a resolver that gets no answer blocks its thread for ten seconds
 * or more, and a process does not end before its threads have. If getent is missing, cannot be started or is
 * not glibc's, this process asks after all.
 *
 * @param host - an IP address, which is its own answer, or a name
 * @param signal - aborts the query
 * @throws Error `ENOTFOUND` for a name that is not known at the moment, `EAI_AGAIN` without an answer
 */
export async function resolveHost(host: string, signal?: AbortSignal): Promise<string> {
  // This query never leaves the host.
  if (host === 'localhost') return (await lookup(host)).address
  return isIP(host) === 0 ? ask(host, signal) : host
}

async function ask(host: string, signal: AbortSignal | undefined): Promise<string> {
  const options = {
    timeout: answerWithinMs,
    killSignal: 'SIGKILL',
    ...(signal && { signal }),
  } as const
  let answer: string
  try {
    // As Node.js does: including addresses of a kind that this host does not have yet.
    answer = (await run('getent', ['--no-addrconfig', 'ahosts', host], options)).stdout
  } catch (error) {
    signal?.throwIfAborted()
    const { killed = false, code } = error as ExecFileException
    if (killed) throw failure('EAI_AGAIN', `no answer within ${answerWithinMs} ms`, error)
    if (code === notFound) throw failure('ENOTFOUND', 'not found', error)
    return (await lookup(host)).address
  }
  const [address = ''] = answer.split(/\s/, 1)
  return isIP(address) === 0 ? (await lookup(host)).address : address
}

function failure(code: string, why: string, cause: unknown): Error {
  return Object.assign(new Error(why, { cause }), { code })
}
