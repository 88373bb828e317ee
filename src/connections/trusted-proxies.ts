import type { ListenSettings } from '../config/listen.ts'
import { NetworkList } from './network-list.ts'

/** The addresses of this host alone, which `proxyProtocol: true` trusts. */
const thisHost = ['127.0.0.0/8', '::1']

/** Decides whether a PROXY header is believed, by the address that it comes from. */
export class TrustedProxies {
  readonly #lists = new WeakMap<ListenSettings, NetworkList>()

  /**
   * Whether the peer of a connection may say who its client is. Access to a Unix socket is a matter of its file.
   *
   * @param address - the peer's; undefined for one of a Unix socket, which has none
   */
  has(address: string | undefined, settings: ListenSettings): boolean {
    return address === undefined || this.#listFor(settings).has(address)
  }

  #listFor(settings: ListenSettings): NetworkList {
    const known = this.#lists.get(settings)
    if (known !== undefined) return known
    const { proxyProtocol } = settings
    const list = new NetworkList(
      typeof proxyProtocol === 'object' ? proxyProtocol.trusted : thisHost,
    )
    this.#lists.set(settings, list)
    return list
  }
}
