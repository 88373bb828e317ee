import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Cleanup } from './cleanup.ts'
import { waitFor } from './wait-for.ts'

/** Common sizes: a classic terminal and a large window. */
export const sizes = [
  { columns: 80, rows: 24 },
  { columns: 140, rows: 42 },
] as const

export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/** A terminal of a given size, in a tmux of its own, that runs a shell and takes input as if typed by a user. */
export class Terminal {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hs-tty-'))
  readonly #environment: NodeJS.ProcessEnv
  readonly #server: ChildProcess

  private constructor(t: Cleanup, environment: NodeJS.ProcessEnv) {
    // The variables of a tmux that runs the tests must not reach this one.
    const { TMUX: _, TMUX_PANE: __, ...own } = process.env
    const ENV = join(this.#folder, 'shrc')
    // Programs that use ncurses(3) draw frames with Unicode characters.
    const looks = { LANG: 'C.UTF-8', TERM: 'xterm-256color', NCURSES_NO_UTF8_ACS: '1' }
    this.#environment = { ...own, ENV, ...looks }
    // The prompt shows that the shell waits for a command. Variables that the shell exports are not in its own
    // environment, so it does not count as one of the sandbox's processes; only the programs that it starts do.
    const exported = Object.entries(environment)
      .filter(([name, value]) => value !== process.env[name])
      .map(([name, value]) => `export ${name}='${value?.replaceAll("'", `'\\''`)}'`)
    writeFileSync(ENV, [...exported, "PS1='ready> '", ''].join('\n'))
    const settings = ['set -g status off', 'set -g default-terminal tmux-256color']
    writeFileSync(join(this.#folder, 'tmux.conf'), `${settings.join('\n')}\n`)
    t.after(() => this.#end())
    // When a test is killed, or its cleanup fails, nothing else ends tmux: it ends with the test process.
    const bound = ['--pdeathsig', 'KILL', 'tmux', '-D', ...this.#place]
    this.#server = spawn('setpriv', bound, { env: this.#environment, stdio: 'ignore' })
  }

  /**
   * Opens a terminal, and waits for the shell's prompt.
   *
   * @param environment - of the programs that the shell starts
   */
  static async open(
    t: Cleanup,
    { columns, rows }: TerminalSize,
    environment: NodeJS.ProcessEnv,
  ): Promise<Terminal> {
    const terminal = new Terminal(t, environment)
    await waitFor('tmux', () => isListenedOn(join(terminal.#folder, 'socket')))
    terminal.#tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), '/bin/sh')
    await terminal.shows(/ready>/)
    return terminal
  }

  /** The content of the screen, without the blanks at the ends of lines. */
  get screen(): string {
    return this.#tmux('capture-pane', '-p')
  }

  /** The content of the screen, including the codes for colours. */
  get colouredScreen(): string {
    return this.#tmux('capture-pane', '-p', '-e')
  }

  /** Types literal text. */
  type(text: string): void {
    this.#tmux('send-keys', '-l', '--', text)
  }

  /** Presses a key by its name in tmux, such as `Enter` or `C-c`. */
  press(key: string): void {
    this.#tmux('send-keys', key)
  }

  /** Types a command line. */
  run(line: string): void {
    this.type(line)
    this.press('Enter')
  }

  resize({ columns, rows }: TerminalSize): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows))
  }

  /** Waits until the screen matches `pattern`, and returns its content. */
  async shows(pattern: RegExp): Promise<string> {
    let last = ''
    try {
      return await waitFor(`${pattern} on the screen`, async () => {
        last = await this.#look()
        return pattern.test(last) ? last : undefined
      })
    } catch (error) {
      throw new Error(`The screen shows not ${pattern} but:\n${last}`, { cause: error })
    }
  }

  /** The terminal modes that a full-screen program changes and must restore. */
  get modes(): { isOtherScreen: boolean; hasCursor: boolean; wraps: boolean } {
    const [other, cursor, wraps] = this.#tmux(
      'display-message',
      '-p',
      '#{alternate_on} #{cursor_flag} #{wrap_flag}',
    )
      .trim()
      .split(' ')
    return { isOtherScreen: other === '1', hasCursor: cursor === '1', wraps: wraps === '1' }
  }

  /** Closes the terminal as a user closes its window: the programs in it receive a hang-up. */
  close(): void {
    this.#tmux('kill-pane')
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', this.#command(args), {
      encoding: 'utf8',
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** Reads the screen without blocking the test process's other work, such as its clients, across many reads. */
  async #look(): Promise<string> {
    const args = this.#command(['capture-pane', '-p'])
    return (await promisify(execFile)('tmux', args, { env: this.#environment })).stdout
  }

  #command(args: readonly string[]): string[] {
    return ['-N', ...this.#place, ...args]
  }

  get #place(): string[] {
    return ['-S', join(this.#folder, 'socket'), '-f', join(this.#folder, 'tmux.conf')]
  }

  #end(): void {
    this.#server.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** The socket file exists before anybody listens on it. */
async function isListenedOn(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    // A permanent problem shows in the caller's time limit.
    return false
  } finally {
    socket.destroy()
  }
}
