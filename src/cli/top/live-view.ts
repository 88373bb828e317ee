import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../errors.ts'
import type { Options } from '../options.ts'
import { withService } from '../with-service.ts'
import { type Command, type Mode, press, watching } from './keys.ts'
import { Screen } from './screen.ts'
import { view } from './view.ts'
import { Watch } from './watch.ts'

/** The longest interval between redraws, so that a service that does not answer is noticed, in milliseconds. */
const drawEveryMs = 1_000

/** Shows the service in place until the user quits. */
export async function watchLive(
  options: Options,
  everyMs: number,
  isColoured: boolean,
): Promise<void> {
  await new LiveView(options, everyMs, isColoured).run()
}

class LiveView {
  readonly #options: Options
  readonly #everyMs: number
  readonly #isColoured: boolean
  readonly #watch: Watch
  readonly #over = new AbortController()
  readonly #screen = new Screen(process.stdin, process.stdout, {
    onKey: (key) => this.#press(key),
    onStale: () => this.#draw(),
    onGone: () => this.#over.abort(),
  })
  #mode: Mode = watching
  #notice: string | undefined

  constructor(options: Options, everyMs: number, isColoured: boolean) {
    this.#options = options
    this.#everyMs = everyMs
    this.#isColoured = isColoured
    this.#watch = new Watch(options)
  }

  async run(): Promise<void> {
    const { signal } = this.#over
    this.#screen.open()
    const timer = setInterval(() => this.#draw(), drawEveryMs)
    try {
      const ended = new Promise((resolve) => signal.addEventListener('abort', resolve))
      // Quitting must not wait for a service that does not answer.
      await Promise.race([this.#poll(signal), ended])
    } finally {
      clearInterval(timer)
      this.#screen.close()
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedMs = performance.now()
      await this.#watch.refresh()
      this.#draw()
      const leftMs = Math.max(0, this.#everyMs - (performance.now() - startedMs))
      await delay(leftMs, undefined, { signal }).catch(() => {})
    }
  }

  #draw(): void {
    const { status, problem } = this.#watch
    const { columns, rows, hasKeys } = this.#screen
    const mode = hasKeys ? this.#mode : undefined
    const scene = { name: this.#options.name, status, problem, now: new Date(), mode }
    this.#screen.draw(
      view({ ...scene, notice: this.#notice }, { columns, rows, isColoured: this.#isColoured }),
    )
  }

  #press(key: string): void {
    const workers = this.#watch.status?.workers.filter(({ state }) => state !== 'retiring').length
    const { mode, command } = press(this.#mode, key, workers)
    this.#mode = mode
    this.#notice = undefined
    if (command !== undefined) this.#execute(command)
    this.#draw()
  }

  #execute(command: Command): void {
    switch (command.kind) {
      case 'quit':
        this.#over.abort()
        return
      case 'suspend':
        this.#screen.suspend()
        return
      case 'redraw':
        return
      case 'reload':
        void this.#perform('Reloading …', () => this.#reload())
        return
      case 'scale':
        void this.#perform(`Scaling to ${command.workers} …`, () => this.#scale(command.workers))
        return
    }
  }

  /** Shows the action in progress, and then its result. */
  async #perform(what: string, act: () => Promise<string>): Promise<void> {
    this.#notice = what
    try {
      this.#notice = await act()
    } catch (error) {
      this.#notice = messageOf(error)
    }
    this.#draw()
  }

  async #reload(): Promise<string> {
    const request = { cause: 'helloserver top' }
    const result = await withService(this.#options, (client) => client.request('reload', request))
    return result.outcome === 'done'
      ? `Reloaded in ${result.durationMs} ms`
      : `The reload failed; the old generation keeps serving: ${result.reason}`
  }

  async #scale(workers: number): Promise<string> {
    await withService(this.#options, (client) => client.request('scale', { workers }))
    return `${workers} workers until the next reload`
  }
}
