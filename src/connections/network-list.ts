import { BlockList, isIPv6 } from 'node:net'
import { parseNetwork } from '../config/network.ts'

/** Ranges of addresses. */
export class NetworkList {
  readonly #list = new BlockList()
  /** Whether it has no ranges. */
  readonly isEmpty: boolean

  /** @param networks - in CIDR notation, as the configuration has been checked for */
  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0
    for (const text of networks) {
      const network = parseNetwork(text)
      if (network === undefined) throw new TypeError(`"${text}" is no network`)
      this.#list.addSubnet(network.address, network.prefix, network.family)
    }
  }

  /** Whether an address is in one of the ranges. */
  has(address: string): boolean {
    // The list does not know the zone of a link-local address (RFC 4007, section 11).
    const plain = address.replace(/%.*$/, '')
    return !this.isEmpty && this.#list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
  }
}
