import { resolve } from 'node:path'
import * as z from './zod.ts'

/** The versions of TLS that an endpoint may require at least, as Node.js names them. */
const tlsVersions = ['TLSv1.2', 'TLSv1.3'] as const

/** Whether a client is asked for a certificate, and whether it must have a valid one. */
const clientCertModes = ['none', 'request', 'require'] as const

/** When TLS begins: with the connection, or when the handler calls `startTls`. */
const tlsStarts = ['accept', 'handler'] as const

const pathOf = (description: string) =>
  z.string({ error: 'a path' }).min(1, { error: 'a path' }).describe(description)

const keyPair = {
  cert: pathOf('File of the certificate and its chain, in PEM'),
  key: pathOf("File of the certificate's private key, in PEM, without a passphrase"),
}

const serverNameAllowed = 'a server name such as "example.org" or "*.example.org"'

const serverName = z
  .string()
  .regex(/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i, { error: serverNameAllowed })

/** The settings of TLS on an endpoint. */
export const tlsSchema = z
  .strictObject(
    {
      ...keyPair,
      ca: pathOf("File of the authorities that clients' certificates are checked against, in PEM")
        .optional()
        .describe(
          "File of the authorities that clients' certificates are checked against, in PEM; required when clients are asked for one",
        ),
      clientCert: z
        .enum(clientCertModes, { error: `one of ${clientCertModes.join(', ')}` })
        .default('none')
        .describe(
          'Whether clients are asked for a certificate, and whether they need one ["none"]',
        ),
      minVersion: z
        .enum(tlsVersions, { error: `one of ${tlsVersions.join(', ')}` })
        .default('TLSv1.2')
        .describe('Least version of TLS that is accepted ["TLSv1.2"]'),
      start: z
        .enum(tlsStarts, { error: `one of ${tlsStarts.join(', ')}` })
        .default('accept')
        .describe(
          'When TLS begins: with the connection ("accept"), or when the handler calls startTls ("handler") ["accept"]',
        ),
      sni: z
        .record(serverName, z.strictObject(keyPair, { error: 'an object with "cert" and "key"' }), {
          error: 'an object of server names',
        })
        .default({})
        .describe('Further certificates, by the server name that the client asks for [{}]'),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'an object' : undefined) },
  )
  // Without authorities of its own, Node.js would admit a certificate of any public one.
  .refine(({ ca, clientCert }) => clientCert === 'none' || ca !== undefined, {
    path: ['ca'],
    error: 'a path, since clientCert asks clients for a certificate',
  })

/** The settings of TLS on an endpoint. */
export type TlsSettings = z.output<typeof tlsSchema>
export type ClientCertMode = TlsSettings['clientCert']
export type TlsVersion = TlsSettings['minVersion']
export type TlsStart = TlsSettings['start']

/** The same settings with absolute paths. */
export function absoluteTls(settings: TlsSettings, directory: string): TlsSettings {
  const at = (path: string) => resolve(directory, path)
  const { cert, key, ca, sni, ...others } = settings
  return {
    ...others,
    cert: at(cert),
    key: at(key),
    ...(ca !== undefined && { ca: at(ca) }),
    sni: Object.fromEntries(
      Object.entries(sni).map(([name, own]) => [name, { cert: at(own.cert), key: at(own.key) }]),
    ),
  }
}
