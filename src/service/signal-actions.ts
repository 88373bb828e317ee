import { codeOf } from '../errors.ts'
import { type SignalAction, signalTable } from '../lifecycle/signal-table.ts'
import type { Service } from './service.ts'
import { hasHungUp } from './terminal.ts'

/** A method for each action of the signal table; `actOnSignals` in src/bin performs `fatal` itself. */
type Actions = Record<Exclude<SignalAction, 'fatal'>, (signal: NodeJS.Signals) => void>

/** Acts on the signals that a service receives: one method for each action of the signal table. */
export class SignalActions implements Actions {
  readonly #service: Service
  #hasHungUp = false

  constructor(service: Service) {
    this.#service = service
  }

  /** Acts on a signal, or passes it on if it is meant for the service and another process is that now. */
  act(action: keyof Actions, signal: NodeJS.Signals): void {
    const { publicFiles, upgrades } = this.#service
    // HUP also means that the log may have been renamed; and during a pause, any file may have been removed.
    if (action === 'reload' || action === 'resume') void publicFiles.check()
    const isMeantForService = signalTable[signal]?.meantFor === 'service'
    if (upgrades.successorPid !== undefined && isMeantForService) this.#passOn(action, signal)
    else this[action](signal)
  }

  reload(signal: NodeJS.Signals): void {
    if (hasHungUp()) this.#hangUp(signal)
    else void this.#service.reloadOnSignal(signal)
  }

  upgrade(signal: NodeJS.Signals): void {
    this.#service.upgrade(signal).catch((error: unknown) => {
      // Another process has become the service by an upgrade that was under way: that is what was asked for.
      if (codeOf(error) === 'HANDED_OVER') return
      this.#service.log.error({ error }, 'The upgrade failed')
    })
  }

  stop(signal: NodeJS.Signals): void {
    void this.#stop(signal)
  }

  terminate(signal: NodeJS.Signals): void {
    void this.#service.ending.terminate(signal)
  }

  /** A terminal's Ctrl-C; a daemon has no terminal. */
  interrupt(signal: NodeJS.Signals): void {
    if (this.#service.mode !== 'foreground') return
    if (this.#service.ending.isUnderWay) this.terminate(signal)
    else this.stop(signal)
  }

  resume(): void {
    this.#service.resume()
  }

  /** A second signal ends the wait for the other hosts, or moves the stop on to its next phase. */
  async #stop(signal: NodeJS.Signals): Promise<void> {
    const service = this.#service
    if (service.fleet.escalate('stopping', signal)) return
    const successorPid = await service.ending.mayStop(signal, false)
    if (successorPid !== undefined) this.#passOn('stop', signal)
    else if (service.ending.isUnderWay) service.ending.escalate(signal)
    else void service.ending.drain(signal)
  }

  /** When the process that took over the service has died, a stop can only end this process. */
  #passOn(action: SignalAction, signal: NodeJS.Signals): void {
    const service = this.#service
    const { successorPid } = service.upgrades
    if (service.upgrades.signalSuccessor(signal)) return
    service.log.warn(
      { signal, successorPid },
      'The process that took the service over has died; this one ends after its active connections',
    )
    if (action === 'stop') service.ending.within(service.ending.longestDrainMs)
  }

  /**
   * Without its terminal, a service in the foreground cannot be seen or ended. Both the shell and the system may
   * report the hang-up.
   */
  #hangUp(signal: NodeJS.Signals): void {
    if (this.#hasHungUp) return
    this.#hasHungUp = true
    this.#service.log.warn('The terminal is gone; stopping')
    this.stop(signal)
  }
}
