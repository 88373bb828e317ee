import type { Status, WorkerStatus } from '../../status.ts'
import { megabytes } from '../amounts.ts'
import { duration, table } from '../table.ts'
import type { Mode } from './keys.ts'
import { isRoomy, share } from './layout.ts'
import { fields, type Line, paint, type Style, span } from './paint.ts'
import { facts, vitalFacts } from './status-facts.ts'

/** The content to show. */
export interface Scene {
  readonly name: string
  /** The last status received from the service. */
  readonly status: Status | undefined
  /** Why there is no newer status. */
  readonly problem: string | undefined
  readonly now: Date
  /** Undefined where no user can press a key. */
  readonly mode: Mode | undefined
  /** The result of the last key. */
  readonly notice: string | undefined
}

/** The size of the area; both dimensions are infinite where nothing is cut. */
export interface Canvas {
  readonly columns: number
  readonly rows: number
  readonly isColoured: boolean
}

/** Renders the service in exactly `rows` lines, none wider than `columns`; a note stands for anything left out. */
export function view(scene: Scene, { columns, rows, isColoured }: Canvas): string[] {
  const foot = scene.mode === undefined ? [] : [footOf(scene, columns)]
  const room = Math.max(0, rows - foot.length)
  const body = bodyOf(scene, columns, room).slice(0, room)
  const empty = Number.isFinite(room) ? room - body.length : 0
  return [...body, ...Array.from({ length: empty }, (): Line => []), ...foot]
    .slice(0, rows)
    .map((line) => paint(line, columns, isColoured))
}

const help: readonly (readonly [key: string, does: string])[] = [
  ['r', 'reload: new workers with the configuration and the code on disk'],
  ['+ -', 'more or fewer workers, until the next reload'],
  ['y n', 'confirm or cancel'],
  ['h', 'this help; any key closes it'],
  ['q', 'quit; the service keeps running'],
  ['^Z ^L', 'suspend, redraw'],
]

function bodyOf(scene: Scene, columns: number, rows: number): Line[] {
  const { status, problem } = scene
  const trouble = problem === undefined ? [] : [[span(problem, 'red')]]
  if (scene.mode?.kind === 'help') {
    return help.map(([key, does]) => [span(key.padEnd(7), 'bold'), span(does)])
  }
  if (status === undefined) return [[span(scene.name, 'bold')], ...trouble]
  const listed = (isRoomy(rows) ? facts : vitalFacts)(status, scene.now)
  const [title = [], ...others] = listed.map((pieces) => fields(pieces, columns))
  const top = [title, ...trouble, ...others]
  const { workers, events } = status
  const room = share(rows, rows - top.length, workers.length, events.length)
  const gap: Line[] = room.isRoomy ? [[]] : []
  const happened = room.events === 0 ? [] : events.slice(-room.events)
  return [
    ...top,
    ...gap,
    ...workerLines(workers, room.workers),
    ...(happened.length === 0 ? [] : gap),
    ...happened.map(eventLine),
  ]
}

/** If not all workers fit, the busy ones come first, the longest busy at the top. */
function workerLines(workers: readonly WorkerStatus[], room: number): Line[] {
  const hidden = workers.length - room
  const shown =
    hidden > 0
      ? workers.toSorted((a, b) => (b.busyMs ?? -1) - (a.busyMs ?? -1)).slice(0, room)
      : workers
  const headings = ['worker', 'state', 'for', 'client', 'served', 'memory', 'pid', 'generation']
  const rows = shown.map((worker) => [
    String(worker.slot),
    worker.state,
    worker.busyMs === null ? '-' : duration(worker.busyMs),
    worker.remote ?? '-',
    String(worker.served),
    megabytes(worker.rssBytes),
    worker.pid === null ? '-' : String(worker.pid),
    String(worker.generation),
  ])
  const [heading = '', ...lines] = table(headings, rows)
  const busy = workers.filter(({ busyMs }) => busyMs !== null).length
  const shownBusy = shown.filter(({ busyMs }) => busyMs !== null).length
  return [
    [span(heading, 'dim')],
    ...lines.map((line, at) => [span(line, styleOf(shown[at]))]),
    ...(hidden > 0
      ? [
          [
            span(
              `… ${hidden} more worker${hidden === 1 ? '' : 's'}, ${busy - shownBusy} busy`,
              'dim',
            ),
          ],
        ]
      : []),
  ]
}

function styleOf(worker: WorkerStatus | undefined): Style {
  if (worker?.state === 'backing-off' || worker?.state === 'killing') return 'red'
  return worker?.busyMs === null ? 'plain' : 'green'
}

const alarming: ReadonlySet<string> = new Set([
  'reload-failed',
  'lease-lost',
  'worker-backing-off',
  'worker-not-started',
  'worker-unfit',
])

function eventLine({ at, kind, text }: Status['events'][number]): Line {
  const time = new Date(at).toTimeString().slice(0, 8)
  return [span(`${time}  `, 'dim'), span(text, alarming.has(kind) ? 'red' : 'plain')]
}

function footOf({ mode, notice, status }: Scene, columns: number): Line {
  switch (mode?.kind) {
    case 'reload':
      return [span('Reload? y to confirm, n to cancel', 'inverse')]
    case 'scale': {
      const now = status?.workers.length
      return [
        span(
          `Scale to ${mode.workers} workers (now ${now ?? '?'})? y to confirm, n to cancel, + -`,
          'inverse',
        ),
      ]
    }
    default:
      if (notice !== undefined) return [span(notice, 'bold')]
      return fields(
        ['q quit', 'h help', 'r reload', '+ - scale'].map((key) => [span(key, 'dim')]),
        columns,
      )
  }
}
