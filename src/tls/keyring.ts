import type { ListenSettings } from '../config/listen.ts'
import type { TlsSettings } from '../config/tls-settings.ts'
import { endpointText } from '../endpoint.ts'
import { codeOf } from '../errors.ts'
import { type LoadedTls, readTls, untimely } from './read-tls.ts'

/** The TLS of endpoints, by their settings as text: what was read once serves until it is read again. */
export type Keyring = ReadonlyMap<string, LoadedTls>

/** The result of reading. */
export interface ReadKeys {
  readonly keyring: Keyring
  /** What people should know of it, each in a sentence. */
  readonly warnings: readonly string[]
}

/** The key of an endpoint's TLS in a keyring; undefined when it has none. */
export function keyringText({ tls }: Pick<ListenSettings, 'tls'>): string | undefined {
  return tls === undefined ? undefined : JSON.stringify(tls)
}

/**
 * Reads the TLS of all endpoints of a configuration.
 *
 * @param held - what is in use: it stays for files that this user may no longer read, since it has dropped root's
 * privileges
 * @throws HelloserverError as `readTls` does
 */
export function readKeys(listen: readonly ListenSettings[], held: Keyring = new Map()): ReadKeys {
  const keyring = new Map<string, LoadedTls>()
  const warnings: string[] = []
  for (const [at, settings] of listen.entries()) {
    const { tls, endpoint } = settings
    const text = keyringText(settings)
    if (tls === undefined || text === undefined) continue
    const loaded = readOrKeep(tls, `listen.${at}.tls`, held.get(text), warnings)
    keyring.set(text, loaded)
    warnings.push(...untimely(loaded.certificates, endpointText(endpoint)))
  }
  return { keyring, warnings }
}

function readOrKeep(
  tls: TlsSettings,
  label: string,
  held: LoadedTls | undefined,
  warnings: string[],
): LoadedTls {
  try {
    return readTls(tls, label)
  } catch (error) {
    const isOutOfReach = codeOf((error as Error).cause) === 'EACCES'
    if (held === undefined || !isOutOfReach) throw error
    warnings.push(`${(error as Error).message}; the certificate that was read before stays in use`)
    return held
  }
}
