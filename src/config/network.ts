import { isIP } from 'node:net'

/** A range of addresses in CIDR notation (RFC 4632, RFC 4291); a single address is a range of one. */
export interface Network {
  readonly address: string
  /** How many leading bits of an address belong to the range. */
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** The form of a range, for error messages. */
export const networkAllowed = 'an address or a network, such as "192.0.2.7" or "2001:db8::/32"'

/** Parses `address` or `address/prefix`; undefined for anything else. */
export function parseNetwork(text: string): Network | undefined {
  const [, address = '', digits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const version = isIP(address)
  if (version === 0) return undefined
  const bits = version === 4 ? 32 : 128
  const prefix = digits === undefined ? bits : Number(digits)
  return prefix > bits ? undefined : { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' }
}
