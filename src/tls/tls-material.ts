import type { ClientCertMode, TlsStart, TlsVersion } from '../config/tls-settings.ts'

/** A certificate with its chain, and its private key, both in PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

/**
 * Everything that a worker needs to speak TLS on an endpoint. It has private keys: the primary reads them, sends them to
 * workers over their channel, and nothing writes them anywhere.
 */
export interface TlsMaterial {
  /** For clients that ask for no server name, or for one that is not in `sni`. */
  readonly pair: KeyPair
  /** By server name in lower case; `*` stands for one label at the beginning. */
  readonly sni: Readonly<Record<string, KeyPair>>
  /** The authorities that sign clients' certificates, in PEM; null when no client is asked for one. */
  readonly ca: string | null
  readonly clientCert: ClientCertMode
  readonly minVersion: TlsVersion
  readonly start: TlsStart
  /**
   * The keys of session tickets, in base64: shared by the workers, so that a client resumes its session with any of
   * them; new whenever the files are read, so that no session outlives the authorities that have admitted it.
   */
  readonly ticketKeys: string
}

/** What people should know of a certificate. */
export interface CertificateFacts {
  /** The server name for which it is used; null for the endpoint's default. */
  readonly serverName: string | null
  /** Its subject in one line. */
  readonly subject: string
  /** ISO 8601. */
  readonly validFrom: string
  readonly expiresAt: string
}
