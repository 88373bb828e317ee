import type { TcpEndpoint } from '../endpoint.ts'
import type { Config } from './load.ts'

/** Where a configuration has the service listen. */
export function listenEndpoint({ host, port }: Pick<Config, 'host' | 'port'>): TcpEndpoint {
  return { host, port }
}
