import { BlockList, isIPv6 } from 'node:net'
import { parseNetwork } from '../config/network.ts'

/** IPv4 addresses as IPv6 ones (RFC 4291, 2.5.5.2), whose first 96 bits are the same. */
const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i
const mappedPrefix = 96

/**
 * Ranges of addresses, for each family by itself: in one list, Node's would take an IPv4 client for one of `::/0`.
 */
export class NetworkList {
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() }
  /** Whether it has no ranges. */
  readonly isEmpty: boolean

  /** @param networks - in CIDR notation, as the configuration has been checked for */
  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0
    for (const text of networks) {
      const network = parseNetwork(text)
      if (network === undefined) throw new TypeError(`"${text}" is no network`)
      const { address, prefix, family } = network
      const [, asIpv4] = mapped.exec(address) ?? []
      if (asIpv4 !== undefined && prefix >= mappedPrefix) {
        this.#lists.ipv4.addSubnet(asIpv4, prefix - mappedPrefix, 'ipv4')
      } else this.#lists[family].addSubnet(address, prefix, family)
    }
  }

  /** Whether an address is in one of the ranges. */
  has(address: string): boolean {
    if (this.isEmpty) return false
    // The list does not know the zone of a link-local address (RFC 4007, section 11).
    const plain = address.replace(/%.*$/, '')
    const family = isIPv6(plain) ? 'ipv6' : 'ipv4'
    return this.#lists[family].check(plain, family)
  }
}
