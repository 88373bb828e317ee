import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { ambient } from '../../config/environment.ts'
import { currentStatus } from '../current-status.ts'
import type { Options } from '../options.ts'
import { printError, printJson } from '../output.ts'
import { watchLive } from './live-view.ts'
import { type Canvas, view } from './view.ts'
import { Watch } from './watch.ts'

export interface TopOptions extends Options {
  /** Seconds between two queries. */
  readonly interval: number
  /** Show the service once, and exit. */
  readonly once: boolean
}

/**
 * Shows the service continuously: in place on a terminal, with keys; elsewhere one view after the other, or one JSON
 * object per line.
 */
export async function top(options: TopOptions): Promise<void> {
  const everyMs = options.interval * 1_000
  const isColoured = process.stdout.isTTY && !isDumb() && ambient('NO_COLOR') === undefined
  const unbounded: Canvas = { columns: Infinity, rows: Infinity, isColoured }
  if (options.once) return showOnce(options, unbounded)
  if (options.json) return repeat(() => printStatus(options), everyMs)
  if (process.stdout.isTTY && !isDumb())
    return watchLive({ ...options, isQuiet: true }, everyMs, isColoured)
  const watch = new Watch(options)
  return repeat(async () => {
    await watch.refresh()
    process.stdout.write(`${plain(options, watch, unbounded)}\n\n`)
  }, everyMs)
}

/** Whether the terminal can only print one line after the other. */
function isDumb(): boolean {
  return ambient('TERM') === 'dumb'
}

async function showOnce(options: TopOptions, canvas: Canvas): Promise<void> {
  const status = await currentStatus(options)
  if (options.json) printJson(status)
  else process.stdout.write(`${plain(options, { status, problem: undefined }, canvas)}\n`)
}

function plain(
  { name }: Options,
  { status, problem }: Pick<Watch, 'status' | 'problem'>,
  canvas: Canvas,
): string {
  const scene = { name, status, problem, now: new Date(), mode: undefined, notice: undefined }
  return view(scene, canvas).join('\n')
}

/** A service that is down does not end the command: it may come back. */
async function printStatus(options: TopOptions): Promise<void> {
  try {
    printJson(await currentStatus(options))
  } catch (error) {
    printError(error, options)
  }
}

/** Repeats until the reader of the output has seen enough. */
async function repeat(show: () => Promise<void>, everyMs: number): Promise<void> {
  const over = new AbortController()
  process.stdout.once('error', () => over.abort())
  while (!over.signal.aborted) {
    const startedMs = performance.now()
    await show()
    if (process.stdout.writableNeedDrain) {
      await once(process.stdout, 'drain', { signal: over.signal }).catch(() => {})
    }
    const leftMs = Math.max(0, everyMs - (performance.now() - startedMs))
    await delay(leftMs, undefined, { signal: over.signal }).catch(() => {})
  }
}
