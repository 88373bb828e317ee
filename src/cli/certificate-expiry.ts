import type { CertificateStatus } from '../status.ts'
import { duration } from './table.ts'

/** The number of certificates shown. */
const certificatesShown = 3

/** When certificates expire, for people: the soonest first, each in a line, and a line for the number of the others. */
export function expiryLines(certificates: readonly CertificateStatus[], now: Date): string[] {
  const sorted = certificates.toSorted((a, b) => a.expiresAt.localeCompare(b.expiresAt))
  const lines = sorted.slice(0, certificatesShown).map((one) => expiryLine(one, now))
  const left = sorted.length - lines.length
  return left === 0 ? lines : [...lines, `${left} more, which expire later`]
}

/** When a certificate expires, with the names by which clients reach it. */
function expiryLine({ endpoint, serverName, expiresAt }: CertificateStatus, now: Date): string {
  const name = serverName === null ? endpoint : `${serverName} at ${endpoint}`
  const leftMs = Date.parse(expiresAt) - now.getTime()
  return leftMs > 0
    ? `${name} expires in ${duration(leftMs)}, at ${expiresAt}`
    : `${name} expired at ${expiresAt}`
}
