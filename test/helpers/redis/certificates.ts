import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cleanup } from '../cleanup.ts'

/** The files of a certificate for 127.0.0.1, and of the authority that signed it. */
export interface Certificates {
  readonly authority: string
  readonly certificate: string
  readonly key: string
}

/** Creates an authority for this test, and a certificate signed by it. */
export function makeCertificates(t: Cleanup): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'hs-tls-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const authority = ['-keyout', file('ca.key'), '-out', file('ca.crt')]
  openssl('req', '-x509', ...key, ...authority, '-subj', '/CN=Test authority', '-days', '2')
  const request = ['-keyout', file('redis.key'), '-out', file('redis.csr')]
  openssl('req', ...key, ...request, '-subj', '/CN=127.0.0.1')
  writeFileSync(file('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  const signing = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial']
  const signed = ['-in', file('redis.csr'), '-out', file('redis.crt'), '-extfile', file('names')]
  openssl('x509', '-req', ...signing, ...signed, '-days', '2')
  return { authority: file('ca.crt'), certificate: file('redis.crt'), key: file('redis.key') }
}
