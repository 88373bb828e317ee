import { type Measurement, measure, type StartedTarget } from './measurement.ts'
import type { Options } from './options.ts'

/** Long enough for V8's compiler to settle on its treatment of the hot functions. */
const warmUpSeconds = 1

/**
 * Measures every target at every number of clients, in rounds: A B C D, A B C D and so on, so that other activity on
 * the machine affects all targets alike. All targets stay up throughout; those not under load do next to nothing.
 *
 * @param program path of the load generator
 * @param progress receives one line for each measurement as it ends
 */
export async function measureAll(
  program: string,
  targets: readonly StartedTarget[],
  options: Options,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<Measurement[]> {
  const measured: Measurement[] = []
  for (const clients of options.clients) {
    const request = { clients, seconds: options.seconds, lineBytes: options.lineBytes }
    progress(`${clients} clients: warming up`)
    for (const target of targets) {
      const seconds = Math.min(warmUpSeconds, options.seconds)
      await measure(program, target, 0, { ...request, seconds }, signal)
    }
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const target of targets) {
        const one = await measure(program, target, round, request, signal)
        measured.push(one)
        const rate = Math.round(one.connectionsPerSecond)
        progress(`${clients} clients, round ${round}: ${target.name} ${rate} connections/s`)
      }
    }
  }
  return measured
}
