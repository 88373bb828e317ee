import { writeSync } from 'node:fs'
import { keysIn } from './keys.ts'

/** Enters the alternate screen, hides the cursor and disables line wrapping (xterm's private modes), and back. */
const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l'
/** ECMA-48: moves the cursor to the top; erases the rest of the line. */
const home = '\x1b[H'
const eraseLine = '\x1b[K'

/** A terminal that does not know its size, such as a serial line, reports 0. */
const usual = { columns: 80, rows: 24 } as const

const deadly = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

export interface ScreenListener {
  onKey(key: string): void
  /** The screen's content is gone, or no longer fits. */
  onStale(): void
  /** The terminal is gone. */
  onGone(): void
}

/** The terminal in full-screen mode; it is restored whatever happens to this process. */
export class Screen {
  readonly #input: typeof process.stdin
  readonly #output: typeof process.stdout
  readonly #listener: ScreenListener
  #isOpen = false

  constructor(
    input: typeof process.stdin,
    output: typeof process.stdout,
    listener: ScreenListener,
  ) {
    this.#input = input
    this.#output = output
    this.#listener = listener
  }

  /** Whether a user can press keys. */
  get hasKeys(): boolean {
    return this.#input.isTTY
  }

  get columns(): number {
    return this.#output.columns || usual.columns
  }

  get rows(): number {
    return this.#output.rows || usual.rows
  }

  open(): void {
    // This also restores the terminal when a bug ends this process, before the runtime prints the error.
    process.on('exit', this.#leave)
    for (const signal of deadly) process.on(signal, this.#die)
    process.on('SIGTSTP', this.#pause)
    process.on('SIGCONT', this.#resume)
    this.#output.on('resize', this.#resized)
    this.#output.on('error', this.#gone)
    if (this.hasKeys) {
      this.#input.setEncoding('utf8')
      this.#input.on('data', this.#typed)
      this.#input.on('end', this.#gone)
      this.#input.on('error', this.#gone)
    }
    this.#enter()
  }

  close(): void {
    this.#leave()
    process.off('exit', this.#leave)
    for (const signal of deadly) process.off(signal, this.#die)
    process.off('SIGTSTP', this.#pause)
    process.off('SIGCONT', this.#resume)
    this.#output.off('resize', this.#resized)
    if (this.hasKeys) this.#input.pause()
  }

  /** Draws these lines, which must fill the screen. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return
    // Erases before writing: after a full line, the cursor is still on its last character.
    this.#output.write(`${home}${lines.map((line) => `${eraseLine}${line}`).join('\r\n')}`)
  }

  /** Stops the whole job, as the shell that started it expects. */
  suspend(): void {
    process.kill(0, 'SIGTSTP')
  }

  readonly #enter = () => {
    if (this.hasKeys) this.#input.setRawMode(true)
    this.#isOpen = true
    this.#output.write(enter)
  }

  readonly #leave = () => {
    if (!this.#isOpen) return
    this.#isOpen = false
    try {
      writeSync(this.#output.fd, leave)
      if (this.hasKeys) this.#input.setRawMode(false)
    } catch {
      // The terminal is gone; there is nothing to restore.
    }
  }

  readonly #die = (signal: NodeJS.Signals) => {
    this.#leave()
    process.off(signal, this.#die)
    process.kill(process.pid, signal)
  }

  readonly #pause = () => {
    this.#leave()
    process.off('SIGTSTP', this.#pause)
    // The process stops and later resumes here; the system ignores the signal if no shell could continue the process.
    process.kill(process.pid, 'SIGTSTP')
    process.on('SIGTSTP', this.#pause)
    this.#resume()
  }

  /** Between SIGSTOP and SIGCONT, the shell has changed the terminal without this process's knowledge. */
  readonly #resume = () => {
    this.#leave()
    this.#enter()
    this.#listener.onStale()
  }

  readonly #resized = () => this.#listener.onStale()

  readonly #gone = () => this.#listener.onGone()

  readonly #typed = (text: string | Buffer) => {
    for (const key of keysIn(String(text))) this.#listener.onKey(key)
  }
}
