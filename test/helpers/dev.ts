import type { ChildProcess } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { tempFolder } from '../unit/support/temp-folder.ts'
import { ask } from './client.ts'
import { type CommandResult, resultOf, Sandbox, type Settings } from './sandbox.ts'
import { statusAt } from './service-in.ts'
import { waitFor, within } from './wait-for.ts'

/** A person's project with one app, `shout`, that answers with a text from a file of its own. */
export class Project {
  readonly folder: string
  readonly sandbox: Sandbox
  /** What runs in it. */
  readonly devs: Dev[] = []

  constructor(t: TestContext, settings: Settings = {}) {
    this.folder = tempFolder(t)
    // Before the sandbox looks for what is left behind.
    t.after(async () => {
      for (const { child } of this.devs) child.kill('SIGTERM')
      await within('the end of dev', Promise.all(this.devs.map(({ ended }) => ended)))
    })
    const environment = { HELLOSERVER_CONFIG: join(this.folder, 'apps/shout/config.json') }
    this.sandbox = new Sandbox(t, { environment })
    this.write('package.json', '{ "type": "module" }')
    this.configure(settings)
    this.write('apps/shout/app.js', app)
    this.greet('one')
  }

  /** Writes a file, and the folders that it needs. */
  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true })
    writeFileSync(join(this.folder, path), text)
  }

  /** Writes a file as most editors do: a new one takes the place of the old. */
  replace(path: string, text: string): void {
    this.write(`${path}.new~`, text)
    renameSync(join(this.folder, `${path}.new~`), join(this.folder, path))
  }

  remove(path: string): void {
    rmSync(join(this.folder, path), { recursive: true })
  }

  configure(settings: Settings): void {
    const config = { host: '127.0.0.1', port: 0, workers: 1, ...settings }
    this.write('apps/shout/config.json', JSON.stringify(config))
  }

  /** Sets the answer, in a file that the app imports. */
  greet(text: string): void {
    this.write('lib/greeting.js', `export const greeting = '${text}'\n`)
  }
}

const app = `import { readFileSync } from 'node:fs'
import { greeting } from '../../lib/greeting.js'
export default {
  async handle(connection, { directory }) {
    const line = await connection.readLine()
    if (String(line) === 'print\\r\\n') console.log('printed by the app')
    if (String(line) === 'throw\\r\\n') throw new Error('thrown by the app')
    await connection.write(greeting)
  },
}
`

/** \`helloserver dev\`, running. */
export class Dev {
  readonly child: ChildProcess
  readonly ended: Promise<CommandResult>
  #output = ''

  constructor(project: Project, ...args: string[]) {
    const { sandbox, folder } = project
    this.child = sandbox.spawn(['dev', 'shout', ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.ended = resultOf(this.child)
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString()
      })
    }
    project.devs.push(this)
  }

  /** Starts it, and waits until it serves. */
  static async serving(project: Project, ...args: string[]): Promise<Dev> {
    const dev = new Dev(project, ...args)
    await dev.says(/shout-dev serves/)
    return dev
  }

  get output(): string {
    return this.#output
  }

  /** Waits until the output matches, and forgets it up to there. */
  async says(pattern: RegExp): Promise<string> {
    const found = await waitFor(`${pattern} from dev`, () => pattern.exec(this.#output)).catch(
      (error: unknown) => {
        throw new Error(`The output does not match ${pattern}:\n${this.#output}`, { cause: error })
      },
    )
    const said = this.#output.slice(0, found.index + found[0].length)
    this.#output = this.#output.slice(said.length)
    return said
  }

  /** The service's answer to a line. */
  async answer(sandbox: Sandbox, line = 'hello'): Promise<string> {
    const { listen } = await statusAt(join(sandbox.runDir, 'shout-dev.sock'))
    return (await ask(listen.port, `${line}\r\n`)).text
  }
}
