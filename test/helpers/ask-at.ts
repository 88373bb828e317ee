import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Endpoint, parseEndpoint } from '../../src/endpoint.ts'
import { codeOf } from '../../src/errors.ts'
import { within } from './wait-for.ts'

/** Sends a line to an endpoint; resolves with the answer, or with the code of the error. */
export async function askAt(endpoint: string, line = 'a\r\n'): Promise<string> {
  const at = parseEndpoint(endpoint)
  if (at === undefined) throw new Error(`"${endpoint}" is no endpoint`)
  const socket = connect(optionsOf(at))
  socket.end(line)
  try {
    return await within(`an answer from ${endpoint}`, text(socket))
  } catch (error) {
    return codeOf(error) ?? String(error)
  }
}

function optionsOf(endpoint: Endpoint): { path: string } | { host: string; port: number } {
  if (endpoint.path === undefined) return { host: endpoint.host, port: endpoint.port }
  return { path: endpoint.path.replace(/^@/, '\0') }
}
