import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { ownRoot } from '../../src/config/locate.ts'
import { callService } from '../../src/control/call.ts'
import { ControlClient } from '../../src/control/control-client.ts'
import type { Status } from '../../src/status.ts'
import type { Cleanup } from './cleanup.ts'
import { Client } from './client.ts'
import { fetchedPackage } from './fetched-package.ts'
import { endOfAll, processesWith, signalTo } from './processes.ts'
import { run } from './run.ts'
import { type CommandResult, resultOf } from './sandbox.ts'
import { within } from './wait-for.ts'

/** npm and pm2 start many processes. */
const commandMs = 300_000

export type PackageManager = 'npm' | 'pnpm' | 'yarn'

/** How each package manager is run, and installs what package.json lists. */
const managers: Readonly<Record<PackageManager, { command: () => readonly string[] }>> = {
  npm: { command: () => ['npm', 'install', '--prefer-offline', '--no-audit', '--no-fund'] },
  pnpm: {
    command: () => [
      process.execPath,
      join(fetchedPackage('pnpm', '10'), 'bin/pnpm.cjs'),
      'install',
      '--prefer-offline',
    ],
  },
  yarn: {
    command: () => [
      process.execPath,
      join(fetchedPackage('@yarnpkg/cli-dist', '4'), 'bin/yarn.js'),
      'install',
    ],
  },
}

/**
 * The package as people get it: packed, and installed by a package manager into an empty project. Installing takes
 * longer than most tests, so each project of a test file has a link to this one's packages.
 */
export class Installation {
  readonly folder = mkdtempSync(join(realpathSync(tmpdir()), 'hs-installed-'))
  readonly archive: string

  /** @param archive - an archive that was packed before */
  constructor(manager: PackageManager = 'npm', archive?: string) {
    this.archive = archive ?? this.#pack()
    const helloserver = `file:${this.archive}`
    // npm installs the peer by itself; the others expect it to be listed.
    const dependencies = manager === 'npm' ? { helloserver } : { helloserver, pm2: '*' }
    const file = { private: true, dependencies }
    writeFileSync(join(this.folder, 'package.json'), JSON.stringify(file))
    const [program = '', ...args] = managers[manager].command()
    run('env', ['-C', this.folder, ...registryVariables(), program, ...args])
  }

  get packages(): string {
    return join(this.folder, 'node_modules')
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #pack(): string {
    run('npm', ['pack', ownRoot, '--silent', '--pack-destination', this.folder])
    const [archive = ''] = readdirSync(this.folder)
    return join(this.folder, archive)
  }
}

/** yarn knows npm's registry only by variables of its own; it links packages as the other two do, without PnP. */
function registryVariables(): string[] {
  const registry = run('npm', ['config', 'get', 'registry']).trim()
  return [
    `npm_config_registry=${registry}`,
    `YARN_NPM_REGISTRY_SERVER=${registry}`,
    'YARN_NODE_LINKER=node-modules',
    'YARN_ENABLE_TELEMETRY=0',
    // In CI, yarn and pnpm refuse to install what no lock file lists.
    'YARN_ENABLE_IMMUTABLE_INSTALLS=false',
    'npm_config_frozen_lockfile=false',
  ]
}

export interface UserProjectOptions {
  /** Its files, by their paths; objects become JSON. */
  readonly files?: Readonly<Record<string, string | object>>
  /** The Node.js of its commands and services [that of the tests]. */
  readonly node?: string
  /** Whether its packages are a copy, which it may replace, and not a link to those of the installation [false]. */
  readonly hasOwnPackages?: boolean
}

/** A project of a person who has installed the package; everything started in it ends with the test. */
export class UserProject {
  readonly folder = mkdtempSync(join(realpathSync(tmpdir()), 'hs-user-'))
  readonly #node: string
  readonly #runDir = join(this.folder, '.run')
  readonly #pm2Home = join(this.folder, '.pm2')

  constructor(t: Cleanup, installation: Installation, options: UserProjectOptions = {}) {
    this.#node = options.node ?? process.execPath
    t.after(() => this.#close())
    if (options.hasOwnPackages === true) this.#copy(installation)
    else symlinkSync(installation.packages, join(this.folder, 'node_modules'))
    for (const [file, content] of Object.entries(options.files ?? {})) this.write(file, content)
  }

  write(file: string, content: string | object): void {
    const path = join(this.folder, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  }

  /** Puts other packages in the place of those that the services run from, and removes these. */
  replacePackages(installation: Installation): void {
    const packages = join(this.folder, 'node_modules')
    renameSync(packages, `${packages}.old`)
    this.#copy(installation)
    rmSync(`${packages}.old`, { recursive: true })
  }

  #copy(installation: Installation): void {
    run('cp', ['-al', installation.packages, this.folder])
  }

  read(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8')
  }

  edit(file: string, from: string, to: string): void {
    const text = this.read(file)
    assert.ok(text.includes(from), `${file} has no "${from}"`)
    this.write(file, text.replace(from, to))
  }

  /** Runs a command of helloserver to its end, in the project or a folder of it. */
  cli(args: readonly string[], folder = this.folder): Promise<CommandResult> {
    const program = join(this.folder, 'node_modules/helloserver/dist/src/bin/cli.js')
    return this.#result(this.#node, [program, ...args], folder)
  }

  /** Runs a command that must succeed; returns its output. */
  async do(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.cli(args)
    assert.equal(status, 0, `helloserver ${args.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }

  /** Runs a command that must be refused as a bad configuration or app, in one line; returns that line. */
  async refused(expected: number, ...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.cli(args)
    assert.equal(status, expected, `helloserver ${args.join(' ')}: ${stdout}${stderr}`)
    const lines = stderr.trimEnd().split('\n')
    assert.equal(lines.length, 1, stderr)
    return lines[0] ?? ''
  }

  /** Runs one of the project's scripts, which must succeed; returns its output. */
  async script(name: string): Promise<string> {
    const { status, stdout, stderr } = await this.#result('npm', ['run', name])
    assert.equal(status, 0, `npm run ${name}: ${stdout}${stderr}`)
    return stdout
  }

  /** Runs a program of the packages, such as the compiler; it must succeed. */
  async program(path: string, ...args: string[]): Promise<void> {
    const { status, stdout, stderr } = await this.#result(this.#node, [path, ...args])
    assert.equal(status, 0, `${path} ${args.join(' ')}: ${stdout}${stderr}`)
  }

  /** The status of a running service; asked without the command line, which costs more to start. */
  status(name: string): Promise<Status> {
    return callService(
      () => ControlClient.connect(join(this.#runDir, `${name}.sock`)),
      (client) => client.request('status', {}),
    )
  }

  /** The service's answer to a line. */
  async answer(name: string, line = 'a'): Promise<string> {
    const { listen } = await this.status(name)
    const client = await Client.connect(listen.port)
    await client.send(`${line}\r\n`)
    client.halfClose()
    const { how, text } = await client.ending()
    assert.equal(how, 'end', `answered with "${text}"`)
    return text
  }

  #result(program: string, args: readonly string[], cwd = this.folder): Promise<CommandResult> {
    const env = this.#environment
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    return within(`${program} ${args.join(' ')}`, resultOf(child), commandMs)
  }

  get #environment(): NodeJS.ProcessEnv {
    const inherited = Object.entries(process.env).filter(
      ([key]) => !/^(HELLOSERVER_|npm_)/.test(key),
    )
    return {
      ...Object.fromEntries(inherited),
      // The scripts of the project use the same Node.js as its services.
      PATH: `${dirname(this.#node)}${delimiter}${process.env['PATH']}`,
      PM2_HOME: this.#pm2Home,
      PM2_DISABLE_VERSION_CHECK: 'true',
      HELLOSERVER_RUN_DIR: this.#runDir,
      HELLOSERVER_HOST: '127.0.0.1',
      HELLOSERVER_PORT: '0',
      HELLOSERVER_WORKERS: '1',
    }
  }

  async #close(): Promise<void> {
    const mark = `HELLOSERVER_RUN_DIR=${this.#runDir}`
    try {
      if (existsSync(this.#pm2Home)) {
        const pm2 = join(this.folder, 'node_modules/pm2/bin/pm2')
        spawnSync(this.#node, [pm2, 'kill'], { env: this.#environment })
      }
      for (const pid of processesWith(mark)) signalTo(pid, 'SIGTERM')
      await endOfAll('every process', mark)
    } catch (error) {
      for (const pid of processesWith(mark)) signalTo(pid, 'SIGKILL')
      throw error
    } finally {
      rmSync(this.folder, { recursive: true, force: true })
    }
  }
}
