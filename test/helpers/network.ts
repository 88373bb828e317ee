import { execFileSync } from 'node:child_process'
import type { Cleanup } from './cleanup.ts'

/** Which packets are lost: those that a host sends, those sent to it, or both. */
export type Cut = 'outgoing' | 'incoming' | 'both'

let lastNetwork = 0

/** Why networks cannot be created here; undefined when they can. */
export function noNetworks(): string | undefined {
  const name = `hs-${process.pid}-probe`
  try {
    ip('netns', 'add', name)
  } catch (error) {
    return `This machine allows no network namespaces: ${String(error).split('\n').at(-1)}`
  }
  ip('netns', 'delete', name)
  return undefined
}

/** Hosts with one address each, behind one switch; nothing outside is reached or affected. */
export class Network {
  readonly #prefix: string
  readonly #switch: string
  readonly #hosts: Host[] = []

  constructor(t: Cleanup) {
    lastNetwork += 1
    this.#prefix = `hs-${process.pid}-${lastNetwork}`
    this.#switch = `${this.#prefix}-switch`
    t.after(() => this.#delete())
    ip('netns', 'add', this.#switch)
    ip('-n', this.#switch, 'link', 'add', 'bridge', 'up', 'type', 'bridge')
  }

  /** Adds a host. */
  host(): Host {
    const number = this.#hosts.length + 1
    const name = `${this.#prefix}-${number}`
    ip('netns', 'add', name)
    const host = new Host(name, `10.201.0.${number}`, this.#switch, `port${number}`)
    this.#hosts.push(host)
    return host
  }

  /** The cables disappear with the namespaces at their ends. */
  #delete(): void {
    for (const { name } of this.#hosts) ip('netns', 'delete', name)
    ip('netns', 'delete', this.#switch)
  }
}

/** A network namespace of its own, on a cable that can be cut. */
export class Host {
  readonly name: string
  readonly address: string
  readonly #switch: string
  readonly #port: string

  constructor(name: string, address: string, aSwitch: string, port: string) {
    this.name = name
    this.address = address
    this.#switch = aSwitch
    this.#port = port
    const ends = ['eth', 'netns', name, 'type', 'veth', 'peer', 'name', port, 'netns', aSwitch]
    ip('link', 'add', ...ends)
    ip('-n', aSwitch, 'link', 'set', port, 'master', 'bridge', 'up')
    ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth')
    for (const link of ['lo', 'eth']) ip('-n', name, 'link', 'set', link, 'up')
  }

  /** The command prefix that runs a program on this host with the same PID. */
  get wrapper(): readonly string[] {
    return ['ip', 'netns', 'exec', this.name]
  }

  /** Silently loses all packets of a direction. */
  cut(what: Cut): void {
    if (what !== 'incoming') lose(this.name, 'eth')
    if (what !== 'outgoing') lose(this.#switch, this.#port)
  }

  mend(): void {
    pass(this.name, 'eth')
    pass(this.#switch, this.#port)
  }
}

/** No packet fits through a bucket of one byte, and none is queued. */
function lose(namespace: string, link: string): void {
  const bucket = ['tbf', 'rate', '8bit', 'burst', '1', 'latency', '1ms']
  tc('-n', namespace, 'qdisc', 'replace', 'dev', link, 'root', ...bucket)
}

function pass(namespace: string, link: string): void {
  tc('-n', namespace, 'qdisc', 'replace', 'dev', link, 'root', 'pfifo')
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' })
}

function tc(...args: string[]): void {
  execFileSync('tc', args, { stdio: 'pipe' })
}
