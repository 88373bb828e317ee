import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { TlsSettings } from '../config/tls-settings.ts'
import { HelloserverError, messageOf } from '../errors.ts'
import { fileError } from '../files/file-error.ts'
import { readText } from '../files/read-text.ts'
import { visible } from '../visible-text.ts'
import type { CertificateFacts, KeyPair, TlsMaterial } from './tls-material.ts'

/** The length of Node's keys of session tickets, in bytes. */
const ticketKeyBytes = 48

/** The files of an endpoint's TLS, as they were when they were read. */
export interface LoadedTls {
  readonly material: TlsMaterial
  /** The default certificate first. */
  readonly certificates: readonly CertificateFacts[]
}

/**
 * Reads and checks the files of an endpoint's TLS: a mistake in them must not be found by the first client.
 *
 * @param settings - with absolute paths
 * @param label - how the configuration names the settings, such as `listen.0.tls`
 * @throws HelloserverError `BAD_CONFIG`, naming the key, for a file that cannot be read or used, and for a key that is
 * not the certificate's
 */
export function readTls(settings: TlsSettings, label: string): LoadedTls {
  const { clientCert, minVersion, start, ca: caPath, sni: names } = settings
  const ca = caPath === undefined ? null : readPem(`${label}.ca`, caPath)
  if (ca !== null) checkAuthorities(ca, `${label}.ca`)
  const certificates: CertificateFacts[] = []
  const pairOf = (files: KeyPair, at: string, serverName: string | null): KeyPair => {
    const pair = {
      cert: readPem(`${at}.cert`, files.cert),
      key: readPem(`${at}.key`, files.key),
    }
    const leaf = checkPair(pair, at)
    certificates.push(factsOf(leaf, serverName))
    return pair
  }
  const pair = pairOf(settings, label, null)
  const sni = Object.fromEntries(
    Object.entries(names).map(([name, files]) => [
      name.toLowerCase(),
      pairOf(files, `${label}.sni.${name}`, name.toLowerCase()),
    ]),
  )
  const ticketKeys = randomBytes(ticketKeyBytes).toString('base64')
  return { material: { pair, sni, ca, clientCert, minVersion, start, ticketKeys }, certificates }
}

function readPem(key: string, path: string): string {
  try {
    return readText(path)
  } catch (error) {
    throw fileError('BAD_CONFIG', `read ${key}`, path, error)
  }
}

function bad(key: string, problem: string, cause?: unknown): HelloserverError {
  return new HelloserverError('BAD_CONFIG', `${key} ${problem}`, { cause })
}

/** Returns the certificate itself, without its chain. */
function checkPair({ cert, key }: KeyPair, at: string): X509Certificate {
  const leaf = certificateIn(cert, `${at}.cert`)
  const own = privateKeyIn(key, `${at}.key`)
  if (!leaf.checkPrivateKey(own)) {
    throw bad(`${at}.key`, `is not the key of the certificate in ${at}.cert`)
  }
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    throw bad(`${at}.cert`, `cannot be used with its key: ${messageOf(error)}`, error)
  }
  return leaf
}

function certificateIn(pem: string, key: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw bad(key, 'holds no certificate in PEM', error)
  }
}

/** How both of the usual forms say that a key is encrypted (RFC 1421, RFC 5958). */
const encrypted = /^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m

function privateKeyIn(pem: string, key: string): KeyObject {
  if (encrypted.test(pem)) {
    throw bad(
      key,
      'holds a key with a passphrase; store it without one, readable by its owner only',
    )
  }
  try {
    return createPrivateKey(pem)
  } catch {
    // The error itself could quote what was read.
    throw bad(key, 'holds no private key in PEM')
  }
}

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

function checkAuthorities(pem: string, key: string): void {
  const found = pem.match(pemCertificate) ?? []
  if (found.length === 0) throw bad(key, 'holds no certificate in PEM')
  for (const one of found) certificateIn(one, key)
}

function factsOf(leaf: X509Certificate, serverName: string | null): CertificateFacts {
  return {
    serverName,
    subject: visible(leaf.subject.replaceAll('\n', ', ')),
    validFrom: new Date(leaf.validFrom).toISOString(),
    expiresAt: new Date(leaf.validTo).toISOString(),
  }
}

/**
 * The certificates that are out of their time, each in a sentence.
 *
 * @param endpoint - the endpoint's text
 */
export function untimely(
  certificates: readonly CertificateFacts[],
  endpoint: string,
  now = new Date(),
): string[] {
  return certificates.flatMap(({ serverName, subject, validFrom, expiresAt }) => {
    const name = serverName === null ? endpoint : `${endpoint}, server name ${serverName}`
    const certificate = `The certificate of ${name} (${subject})`
    if (new Date(expiresAt) <= now) return [`${certificate} has expired on ${expiresAt}`]
    if (new Date(validFrom) > now) return [`${certificate} is valid only from ${validFrom} on`]
    return []
  })
}
