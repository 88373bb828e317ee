import { setTimeout as delay } from 'node:timers/promises'
import { deferred } from '../async/deferred.ts'
import type { Environment } from '../config/environment.ts'
import { stopping } from '../errors.ts'
import type { Service } from '../service/service.ts'
import { Successor } from './successor.ts'
import type { Tally } from './upgrade-messages.ts'

/**
 * The gap between the connection numbers of a predecessor, which still accepts, and the later ones of its successor.
 */
export const idGap = 1_000_000

/** How often to retry a connection for which the successor had no descriptor, in milliseconds. */
const retryEveryMs = 100

const successorHangs =
  'The successor hangs and takes over no connections; dropping those that still wait here'

/** The replacement of this process by another one, which becomes the service. */
export class Upgrade {
  readonly #service: Service
  /** The process that is to take over, until that is decided. */
  #candidate: Successor | undefined
  /** The process that is the service now. */
  #successor: Successor | undefined
  /** Receives the counts, once the whole queue was passed on. */
  #reportsTo: Successor | undefined
  /** Number of the last event that was reported to the successor. */
  #toldSeq = 0
  #decided: Promise<void> = Promise.resolve()
  /** Pending while connections are passed on. */
  #passing: Promise<void> = Promise.resolve()
  #cancelled: Promise<void> | undefined

  constructor(service: Service) {
    this.#service = service
  }

  /**
   * Has another process take over the service; resolves when it has. If it cannot, it is killed, and this process
   * serves as before.
   *
   * @param readyTimeoutMs - how long a worker of the successor may take to become ready, in milliseconds
   * @throws HelloserverError `RELOAD_FAILED` or `BOOT_FAILED` with the reason, or the successor's own code
   */
  async run(program: string, environment: Environment, readyTimeoutMs: number): Promise<void> {
    const service = this.#service
    const { files, publicFiles, connections, pool, leadership, control } = service
    const { lock } = publicFiles
    const successor = new Successor({
      files,
      lockFd: lock.fd,
      program,
      environment,
      readyTimeoutMs,
    })
    this.#candidate = successor
    service.logFile?.share(successor.ended)
    // The one event that comes unasked: the new service ends, and limits how long active connections here may take.
    successor.onEnd((withinMs) => service.ending.within(withinMs))
    try {
      // 1. It reads the configuration and brings up its workers. Here everything goes on.
      this.#toldSeq = 0
      await successor.prepare({
        generation: pool.lastGeneration,
        lastConnectionId: connections.dispatcher.lastId + idGap,
        ...this.#tally(),
        upgradeBeganAtMs: Date.now(),
        keyring: [...connections.listeners.endpoints.keyring],
        ...service.identity,
      })
      service.lifecycle.mustRunStill()

      // 2. It gets copies of the lock and the listening sockets. They are read only now, since this host may have won or
      // lost the lease while the successor prepared, and opens and closes the socket with it.
      await publicFiles.yield()
      // No process of this host may seek the lease while it changes hands.
      if (service.state === 'standby') leadership.yield()
      await successor.equip(lock.abstractHandle, connections.listeners.bound)
      service.lifecycle.mustRunStill()

      // 3. It is told to serve. A stop waits for the decision, no longer than the deadline of this step: until then,
      // it is undecided which process has to perform it.
      const decided = deferred<void>()
      this.#decided = decided.promise
      try {
        // The lease as it is now: a renewal may have moved its deadline since the last step.
        await successor.go(leadership.lease.hold, control.supervisor.isNextExpected)
        service.lifecycle.mustRunStill()

        // 4. It serves. Up to `decided`, everything happens in the turn that has read `serving`. Otherwise a signal,
        // request or timer could find this process half a service, and stop it, renew the lease or restore a file
        // beside the successor. `#successor` is set first: without it, the move to "draining" would be recorded as the
        // end of the service.
        this.#successor = successor
        service.lifecycle.move('drain', `process ${successor.pid} has taken over`)
        leadership.yield()
        service.recycler.stop()
        const finished = this.#finish(successor)
        lock.release()
        service.stack.forgetAll()
        service.fleet.stop()
        control.handOver(successor.pid)
        service.admin.close()
        // A reload that only signals have asked for is the successor's task; other callers ask it themselves.
        if (service.reloads.isOwed) successor.signal('SIGHUP')
        service.ending.after(finished)
      } finally {
        decided.resolve()
      }
    } catch (error) {
      // Everything is put back, once the successor can no longer take it.
      await successor.kill()
      // A successor that was killed because this service ends is not at fault.
      const failure = this.#candidate === undefined ? stopping() : error
      this.#candidate = undefined
      if (service.state === 'standby') leadership.takeBack()
      if (service.lifecycle.isRunning) await publicFiles.restore()
      throw failure
    }
    this.#candidate = undefined
  }

  /** Pending from `go` until the successor serves or has failed. */
  get decided(): Promise<void> {
    return this.#decided
  }

  /** The PID of the process that is the service now, if it is another one. */
  get successorPid(): number | undefined {
    return this.#successor?.pid
  }

  /** Sends a signal to the process that is the service now; false when it has died. */
  signalSuccessor(signal: NodeJS.Signals): boolean {
    return this.#successor?.signal(signal) ?? false
  }

  /** This service ends: kills the process that was to take it over. */
  cancel(): void {
    this.#cancelled ??= this.#candidate?.kill()
    this.#candidate = undefined
  }

  /** Resolves when no process holds the listening socket and the lock because of an abandoned upgrade. */
  async cancelled(): Promise<void> {
    await this.#cancelled
  }

  /** This process's own predecessor has passed on a connection, perhaps after this process has done the same with its queue. */
  onAdopted(): void {
    if (this.#reportsTo === undefined) return
    // The successor must know of it first.
    this.onClosed()
    void this.#passQueueOn(this.#reportsTo)
  }

  /** A connection has ended: reports the counts to the successor. */
  onClosed(): void {
    void this.#reportsTo?.report(this.#tally())
  }

  /**
   * Passes the queue on, ends the workers after their active connections, and reports all counts. Resolves when this
   * process has nothing left to do.
   */
  async #finish(successor: Successor): Promise<void> {
    const { connections, pool, predecessor } = this.#service
    connections.listeners.disown()
    // The successor may listen elsewhere, so the clients that have connected here by now are accepted.
    await connections.listeners.finish()
    const closed = pool.close()
    void successor.report(this.#tally())
    await this.#passQueueOn(successor)
    this.#reportsTo = successor
    this.onClosed()
    await closed
    // Connections that a worker had not claimed when it ended are back in the queue.
    await this.#passQueueOn(successor)
    // This process passes on what its own predecessor reports, and whom it passes on.
    await predecessor?.gone
    await this.#passing
    await successor.report(this.#tally())
  }

  /** Resolves when nobody waits here. */
  #passQueueOn(successor: Successor): Promise<void> {
    this.#passing = this.#passing.then(() => this.#passEach(successor))
    return this.#passing
  }

  /** Passes on one connection at a time, so that those that still wait here are looked after as usual. */
  async #passEach(successor: Successor): Promise<void> {
    const { connections, log } = this.#service
    const { dispatcher } = connections
    for (;;) {
      const next = dispatcher.withdraw()
      if (next === undefined) return
      const outcome = await successor.pass(next)
      switch (outcome) {
        case 'adopted':
          dispatcher.passed(next)
          break
        case 'missing':
          dispatcher.putBack(next)
          await delay(retryEveryMs)
          break
        case 'lost':
        case 'hung':
          if (outcome === 'hung') log.error({ primaryPid: successor.pid }, successorHangs)
          // The service died in its new process: as with any primary that dies, its queue is lost with it.
          dispatcher.putBack(next)
          dispatcher.abandon()
          return
      }
    }
  }

  /** All counts, and the events since the last report. */
  #tally(): Tally {
    const { events, connections } = this.#service
    const news = events.since(this.#toldSeq)
    this.#toldSeq = news.at(-1)?.seq ?? this.#toldSeq
    return {
      counts: connections.accounts.counts,
      figures: connections.stats.totals,
      events: news,
    }
  }
}
