import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { ownRoot } from '../../src/config/locate.ts'
import type { Cleanup } from './cleanup.ts'
import { OwnHost } from './own-host.ts'
import { processesWith, signalTo } from './processes.ts'
import { run } from './run.ts'
import { resultOf } from './sandbox.ts'
import { waitFor, within } from './wait-for.ts'

/** Variables without which a machine may not reach the registry: its authorities, and its proxies. */
const reachesRegistry =
  /^(NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(https?|no)_proxy|npm_config_(registry|cafile|https?-proxy|noproxy))$/i

/** npm installs packages, and pm2 starts many processes. */
const commandMs = 300_000

/** As npx does, runs the program that is installed, or else fetches the package. */
const npx = `#!/bin/sh
folder=$PWD
while [ "$folder" != / ]; do
  program=$folder/node_modules/.bin/$1
  if [ -x "$program" ]; then
    shift
    exec "$program" "$@"
  fi
  folder=$(dirname "$folder")
done
exec npm exec --yes --package /tmp/helloserver.tgz -- "$@"
`

export interface Expectation {
  /** The command needs the registry of packages; it cannot reach the services meanwhile. */
  readonly isOnline?: boolean
  /** The expected exit status [0]. */
  readonly status?: number
  /** The output, of both streams, must match. */
  readonly shows?: RegExp
}

/**
 * A person who types the commands of the documentation, exactly as they are there.
 *
 * The person has a machine of their own: a network without other services, so that the documented ports are free,
 * and their own /tmp, /run and home folder. npx fetches helloserver from the packed archive, since the registry does
 * not have the version under test; the rest is what people have.
 */
export class Reader {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hs-docs-'))
  readonly #node: string
  #host: OwnHost | undefined
  readonly #exported: Record<string, string> = {}
  /** The working directory, as the person sees it. */
  folder = ownRoot
  /** The commands that were typed, in order. */
  readonly typed: string[] = []

  private constructor(node: string) {
    this.#node = node
  }

  /** @param node - the person's Node.js */
  static async make(t: Cleanup, node: string): Promise<Reader> {
    const reader = new Reader(node)
    t.after(() => reader.#close())
    await reader.#settle(t)
    return reader
  }

  async #settle(t: Cleanup): Promise<void> {
    for (const folder of ['run', 'tmp', 'tmp/home', 'tmp/bin']) mkdirSync(this.#path(folder))
    chmodSync(this.#path('run'), 0o755)
    chmodSync(this.#path('tmp'), 0o1777)
    run('npm', ['pack', ownRoot, '--silent', '--pack-destination', this.#path('tmp')])
    const archive = readdirSync(this.#path('tmp')).find((file) => file.endsWith('.tgz')) ?? ''
    run('mv', [this.#path('tmp', archive), this.#path('tmp/helloserver.tgz')])
    writeFileSync(this.#path('tmp/bin/npx'), npx, { mode: 0o755 })
    this.#host = await OwnHost.make(t)
    // The registry has a name.
    await this.#host.run('umount', '/etc/resolv.conf')
    await this.#keepCheckout(this.#host)
    for (const folder of ['run', 'tmp']) {
      await this.#host.run('mount', '--rbind', this.#path(folder), `/${folder}`)
    }
  }

  /** The person's own /tmp would hide a checkout that is in /tmp. */
  async #keepCheckout(host: OwnHost): Promise<void> {
    if (!ownRoot.startsWith('/tmp/')) return
    const place = this.#path(ownRoot)
    mkdirSync(place, { recursive: true })
    await host.run('mount', '--bind', ownRoot, place)
  }

  /** Writes a file of the person's, by its path relative to their working directory, which must be below /tmp. */
  write(file: string, content: string): void {
    const path = this.#path(this.folder, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }

  /** Types a command that documentation has; returns the output of both streams. */
  async types(command: string, expected: Expectation = {}): Promise<string> {
    this.typed.push(command)
    const [, name, value = ''] = /^export (\w+)=(.*)$/.exec(command) ?? []
    if (name !== undefined) {
      this.#exported[name] = value
      return ''
    }
    return this.does(command, expected)
  }

  /** Does something that the documentation has no command for, or tells in words. */
  async does(
    command: string,
    { isOnline = false, status = 0, shows }: Expectation = {},
  ): Promise<string> {
    const result = await within(command, resultOf(this.#spawn(command, isOnline)), commandMs)
    const output = `${result.stdout}${result.stderr}`
    assert.equal(result.status, status, `${command}: ${output}`)
    if (shows !== undefined) assert.match(output, shows, command)
    return output
  }

  /**
   * Types a command that goes on until it is interrupted; interrupts it when its output matches.
   *
   * @param meanwhile - is done before the interruption
   */
  async watches(
    command: string,
    shown: RegExp,
    meanwhile: () => Promise<unknown> = () => Promise.resolve(),
  ): Promise<void> {
    this.typed.push(command)
    // With a terminal: some of these commands draw.
    const inTerminal = `stty rows 24 cols 80; ${command}`
    const child = this.#spawn(`exec script -qefc '${inTerminal}' /dev/null`)
    let output = ''
    const collect = (chunk: Buffer) => {
      output += chunk.toString()
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    try {
      await waitFor(`${shown} in the output of ${command}`, () => shown.test(output))
      await meanwhile()
      child.stdin?.write('\x03')
      await within(`the end of ${command}`, ended)
    } catch (error) {
      throw new Error(`${command} printed:\n${output}`, { cause: error })
    } finally {
      child.kill('SIGKILL')
    }
  }

  #spawn(command: string, isOnline = false): ChildProcess {
    assert.ok(this.#host)
    const [enter, ...wrapper] = this.#host.wrapper
    const args = wrapper.filter((one) => !(isOnline && one === '--net'))
    const typed = `cd '${this.folder}' || exit\n${command}`
    return spawn(enter, [...args, 'bash', '-o', 'pipefail', '-c', typed], {
      env: this.#environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  }

  get #environment(): NodeJS.ProcessEnv {
    const { PATH = '', LANG, npm_config_userconfig, npm_config_cache } = process.env
    const reaching = Object.entries(process.env).filter(([name]) => reachesRegistry.test(name))
    // The scripts of npm put their own folders in front.
    const others = PATH.split(delimiter).filter((folder) => !folder.includes('node_modules'))
    // Some pages leave "npx" out.
    const path = ['/tmp/bin', 'node_modules/.bin', dirname(this.#node), ...others]
    return {
      ...Object.fromEntries(reaching),
      PATH: path.join(delimiter),
      LANG,
      HOME: '/tmp/home',
      TERM: 'xterm',
      npm_config_userconfig: npm_config_userconfig ?? join(homedir(), '.npmrc'),
      npm_config_cache: npm_config_cache ?? join(homedir(), '.npm'),
      npm_config_prefer_offline: 'true',
      npm_config_update_notifier: 'false',
      PM2_DISABLE_VERSION_CHECK: 'true',
      HELLOSERVER_WORKERS: '1',
      DOCUMENTATION_READER: this.#folder,
      ...this.#exported,
    }
  }

  #path(...parts: string[]): string {
    return join(this.#folder, ...parts)
  }

  async #close(): Promise<void> {
    const left = () => processesWith(`DOCUMENTATION_READER=${this.#folder}`)
    try {
      for (const pid of left()) signalTo(pid, 'SIGTERM')
      await waitFor('the end of every process', () => left().length === 0)
    } finally {
      for (const pid of left()) signalTo(pid, 'SIGKILL')
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }
}
