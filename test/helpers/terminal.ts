import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Cleanup } from './cleanup.ts'
import { waitFor } from './wait-for.ts'

/** The common sizes: a classic terminal and a large window. */
export const sizes = [
  { columns: 80, rows: 24 },
  { columns: 140, rows: 42 },
] as const

export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/** A terminal of a given size, in a tmux of its own, in which a shell runs and a person would type. */
export class Terminal {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hs-tty-'))
  readonly #environment: NodeJS.ProcessEnv
  readonly #server: ChildProcess

  private constructor(t: Cleanup, environment: NodeJS.ProcessEnv) {
    // What a tmux that runs the tests has set is not for this one.
    const { TMUX: _, TMUX_PANE: __, ...own } = process.env
    const ENV = join(this.#folder, 'shrc')
    // Frames are drawn with characters of Unicode, where a program knows ncurses(3).
    const looks = { LANG: 'C.UTF-8', TERM: 'xterm-256color', NCURSES_NO_UTF8_ACS: '1' }
    this.#environment = { ...own, ENV, ...looks }
    // The prompt says that the shell waits for a command. What it exports is not in its own environment: it is none of
    // a sandbox's processes, only what it starts is.
    const exported = Object.entries(environment)
      .filter(([name, value]) => value !== process.env[name])
      .map(([name, value]) => `export ${name}='${value?.replaceAll("'", `'\\''`)}'`)
    writeFileSync(ENV, [...exported, "PS1='ready> '", ''].join('\n'))
    const settings = ['set -g status off', 'set -g default-terminal tmux-256color']
    writeFileSync(join(this.#folder, 'tmux.conf'), `${settings.join('\n')}\n`)
    t.after(() => this.#end())
    // A test that is killed, or whose tidying up fails, ends no tmux: then this one ends with it.
    const bound = ['--pdeathsig', 'KILL', 'tmux', '-D', ...this.#place]
    this.#server = spawn('setpriv', bound, { env: this.#environment, stdio: 'ignore' })
  }

  /**
   * Opens one, and waits for the shell's prompt.
   *
   * @param environment - of what the shell starts
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

  /** What the screen shows, without the blanks at the ends of lines. */
  get screen(): string {
    return this.#tmux('capture-pane', '-p')
  }

  /** The same, with what colours it. */
  get colouredScreen(): string {
    return this.#tmux('capture-pane', '-p', '-e')
  }

  /** Types text as it is. */
  type(text: string): void {
    this.#tmux('send-keys', '-l', '--', text)
  }

  /** Presses a key by its name in tmux, such as `Enter` and `C-c`. */
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

  /** Waits until the screen shows something, and returns all of it. */
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

  /** What a program may have left otherwise than it found it: none of these is as a shell has it. */
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

  /** Closes it, as a person closes its window: what runs there hears of a hang-up. */
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

  /** The screen, without holding up what else the test process does, such as its clients, between many looks. */
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

/** A socket is there before anybody listens on it. */
async function isListenedOn(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    // Whatever is wrong for good, who waits says in the end that it was in vain.
    return false
  } finally {
    socket.destroy()
  }
}
