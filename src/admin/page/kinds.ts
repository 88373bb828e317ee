import type { EventKind, ServiceEvent } from '../../lifecycle/event-kinds.ts'
import type { Tone } from './dom.ts'

/** How a kind of event is shown: its tone, and a label on the time line if the event changed the service. */
interface Shown {
  readonly tone: Tone
  readonly label?: string
  /** Whether the event draws a line through all plots. */
  readonly isDeploy?: boolean
}

const kinds: { readonly [Kind in EventKind]?: Shown } = {
  started: { tone: 'good', label: 'started' },
  upgraded: { tone: 'good', label: 'upgraded', isDeploy: true },
  'primary-replaced': { tone: 'warn', label: 'primary replaced' },
  'reload-done': { tone: 'good', label: 'reloaded', isDeploy: true },
  'reload-failed': { tone: 'bad', label: 'reload failed', isDeploy: true },
  'worker-died': { tone: 'warn' },
  'worker-unfit': { tone: 'warn' },
  'worker-backing-off': { tone: 'warn' },
  'worker-not-started': { tone: 'warn' },
  'descriptors-short': { tone: 'warn' },
  'shedding-began': { tone: 'bad', label: 'shedding' },
  scaled: { tone: 'plain', label: 'scaled' },
  draining: { tone: 'warn', label: 'draining' },
  standby: { tone: 'plain', label: 'standby' },
  'cannot-listen': { tone: 'bad', label: 'cannot listen' },
  'lease-won': { tone: 'good', label: 'lease won' },
  'lease-lost': { tone: 'bad', label: 'lease lost' },
  'lease-in-danger': { tone: 'warn', label: 'lease in danger' },
  'file-restored': { tone: 'warn', label: 'file restored' },
  'file-lost': { tone: 'bad', label: 'file lost' },
}

export function shownAs({ kind }: ServiceEvent): Shown {
  return kinds[kind as EventKind] ?? { tone: 'plain' }
}

/** Whether an event is worth an interruption. */
export function isNews(event: ServiceEvent): boolean {
  return shownAs(event).label !== undefined
}
