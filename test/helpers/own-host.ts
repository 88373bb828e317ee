import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Cleanup } from './cleanup.ts'
import { endsWithItsTest } from './namespaces.ts'

const run = promisify(execFile)

/** Why such hosts cannot be created here; undefined when they can. */
export function noOwnHosts(): string | undefined {
  try {
    execFileSync('unshare', ['--net', '--mount', 'true'], { stdio: 'pipe' })
  } catch (error) {
    return `This machine allows no namespaces: ${String(error).split('\n').at(-1)}`
  }
  return undefined
}

/** Nothing listens there, so resolvers are refused at once. */
const noNameServer = 'nameserver 127.0.0.1\noptions attempts:1\n'

/**
 * A host for running programs, with addresses and names of its own; nothing outside it is affected. It can share this
 * machine's network, so that only the names are its own.
 */
export class OwnHost {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hs-host-'))
  readonly #hosts = join(this.#folder, 'hosts')
  readonly #resolver = join(this.#folder, 'resolv.conf')
  readonly #pid: number
  readonly #names: string[] = ['127.0.0.1 localhost']
  readonly #namespaces: readonly string[]

  private constructor(t: Cleanup, namespaces: readonly string[]) {
    this.#namespaces = namespaces
    this.#write()
    writeFileSync(this.#resolver, noNameServer)
    const steps = [
      ...(namespaces.includes('--net') ? ['ip link set lo up'] : []),
      `mount --bind ${this.#hosts} /etc/hosts`,
      `mount --bind ${this.#resolver} /etc/resolv.conf`,
      'echo ready',
      // Ends with this process, however that ends.
      'exec cat',
    ]
    const holder = spawn('unshare', [...namespaces, 'sh', '-c', steps.join(' && ')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#pid = holder.pid ?? 0
    this.#ready = once(holder.stdout, 'data').then(() => {
      // A failed test must not wait for it.
      holder.unref()
      for (const pipe of [holder.stdin, holder.stdout]) (pipe as Socket).unref()
    })
    t.after(() => {
      holder.kill('SIGKILL')
      rmSync(this.#folder, { recursive: true })
    })
  }

  readonly #ready: Promise<unknown>

  /** Must be created after everything that runs on it, so that it ends last. */
  static async make(
    t: Cleanup,
    { network = true }: { readonly network?: boolean } = {},
  ): Promise<OwnHost> {
    const host = new OwnHost(t, network ? ['--net', '--mount'] : ['--mount'])
    await host.#ready
    return host
  }

  /** The command prefix that runs a program on this host with the same PID. */
  get wrapper(): readonly [string, ...string[]] {
    return ['nsenter', `--target=${this.#pid}`, ...this.#namespaces]
  }

  /** Runs a program to its end; resolves with its output. */
  async run(program: string, ...args: string[]): Promise<string> {
    const [enter, ...rest] = [...this.wrapper, program, ...args]
    return (await run(enter, rest)).stdout
  }

  async addAddress(address: string, link = 'lo'): Promise<void> {
    await this.run('ip', 'address', 'add', address, 'dev', link, ...noDetection(address))
  }

  /** Adds a name that resolves from now on. */
  addName(name: string, address: string): void {
    this.#names.push(`${address} ${name}`)
    this.#write()
  }

  /** From now on the name server receives every question, and never answers. */
  async silenceNameServer(t: Cleanup): Promise<void> {
    const program = `require('dgram').createSocket('udp4').bind(53, '127.0.0.53', () => console.log('bound')); ${endsWithItsTest}`
    const [enter, ...rest] = [...this.wrapper, process.execPath, '-e', program]
    const server = spawn(enter, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
    t.after(() => void server.kill('SIGKILL'))
    await once(server.stdout, 'data')
    server.unref()
    for (const pipe of [server.stdin, server.stdout]) (pipe as Socket).unref()
    writeFileSync(this.#resolver, 'nameserver 127.0.0.53\n')
  }

  /** Sends a line to a service at an address; resolves with the answer. */
  async ask(address: string, port: number, line: string): Promise<string> {
    const script = `exec 3<>"/dev/tcp/$0/$1" && printf '%s\\r\\n' "$2" >&3 && cat <&3`
    return this.run('bash', '-c', script, address, String(port), line)
  }

  #write(): void {
    writeFileSync(this.#hosts, `${this.#names.join('\n')}\n`)
  }
}

/** Without duplicate address detection, an IPv6 address can be used at once. */
function noDetection(address: string): string[] {
  return address.includes(':') ? ['nodad'] : []
}
