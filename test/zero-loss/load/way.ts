import { connect, type Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import type { Weighted } from '../../helpers/deck.ts'

/** The ways to reach a service, each with an account of its own. */
export const wayNames = ['tcp', 'tls', 'unix'] as const
export type WayName = (typeof wayNames)[number]

/** One of a service's endpoints on this host, and how many of the clients use it, beside the others. */
export type Way = Weighted &
  (
    | { readonly name: 'tcp'; readonly port: number }
    | {
        readonly name: 'tls'
        readonly port: number
        /** The authority that the client trusts, in PEM. */
        readonly ca: string
      }
    | { readonly name: 'unix'; readonly path: string }
  )

const host = '127.0.0.1'

/** Connects. With TLS, what is written before the handshake is done waits for that. */
export function connectBy(way: Way): Socket {
  if (way.name === 'unix') return connect({ path: way.path, allowHalfOpen: true })
  const { port } = way
  const options = { host, port, allowHalfOpen: true }
  const socket = way.name === 'tls' ? connectSecurely({ ...options, ca: way.ca }) : connect(options)
  return socket.setNoDelay()
}
