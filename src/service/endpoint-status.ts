import type { ListenSettings } from '../config/listen.ts'
import type { Listeners } from '../connections/listeners.ts'
import { endpointText } from '../endpoint.ts'
import type { CertificateStatus, Status } from '../status.ts'

/** What a status says of endpoints. */
interface EndpointStatus extends Pick<Status, 'listen'> {
  readonly endpoints: readonly string[]
  readonly certificates: readonly CertificateStatus[]
}

/**
 * Where a service listens or, while it does not, where it will, and with which certificates.
 *
 * @param listen - the configuration's endpoints
 */
export function endpointStatus(
  { actual, endpoints }: Pick<Listeners, 'actual' | 'endpoints'>,
  listen: readonly ListenSettings[],
): EndpointStatus {
  const all = actual.length > 0 ? actual : listen.map(({ endpoint }) => endpoint)
  const { host = '', port = 0 } = all.find(({ path }) => path === undefined) ?? {}
  const certificates = listen.flatMap((settings) =>
    (endpoints.tlsOf(settings)?.certificates ?? []).map(({ serverName, subject, expiresAt }) => ({
      endpoint: endpointText(settings.endpoint),
      serverName,
      subject,
      expiresAt,
    })),
  )
  return { listen: { host, port }, endpoints: all.map(endpointText), certificates }
}
