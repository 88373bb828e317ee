import { setTimeout as delay } from 'node:timers/promises'

/** What a line asks a server to do before it answers: to compute or to wait, for so many milliseconds. */
export interface Work {
  readonly kind: 'burn' | 'wait'
  readonly ms: number
}

const firstLetters = new Set(['b', 'w'].map((letter) => letter.charCodeAt(0)))

/** The work that a line asks for by its first words, `burn N ` or `wait N `; null for a line that is only echoed. */
export function workIn(line: Buffer): Work | null {
  // Most lines ask for nothing, and learning that must cost next to nothing.
  if (!firstLetters.has(line[0] ?? 0)) return null
  const words = /^(burn|wait) (\d{1,5}) /.exec(line.toString('latin1'))
  if (words === null) return null
  return { kind: words[1] === 'burn' ? 'burn' : 'wait', ms: Number(words[2]) }
}

/** Does the work, computing for as much processor time as it says, whatever else the machine does. */
export async function perform({ kind, ms }: Work): Promise<void> {
  if (kind === 'wait') await delay(ms)
  else burn(ms * 1000)
}

function burn(us: number): void {
  const began = process.cpuUsage()
  for (let used = 0; used < us; ) {
    const { user, system } = process.cpuUsage(began)
    used = user + system
  }
}
