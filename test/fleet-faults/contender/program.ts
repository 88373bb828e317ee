/**
 * A contender: holds the lease, or contends for it, and writes to the resource for as long as its guard lets it. Told
 * what to do by messages; its argument is `ContenderOptions` as JSON.
 */
import { connect } from 'node:net'
import { monotonicMs } from '../../../src/clock.ts'
import { type Entry, Journal } from '../journal.ts'
import { lineOf } from '../resource/write.ts'
import type { ClaimListener } from './claim.ts'
import { leaseClaim } from './lease-claim.ts'
import type { ContenderOptions, ToContender } from './messages.ts'
import { NaiveLock } from './naive-lock.ts'

/** How often it writes while it may, in milliseconds. */
const writeEveryMs = 4

const options = JSON.parse(process.argv[2] ?? '') as ContenderOptions
const { name, socket } = options
const journal = new Journal<Entry>(options.journal)
const listener: ClaimListener = {
  onHeld: (token, untilMs) => journal.write({ kind: 'held', atMs: monotonicMs(), token, untilMs }),
  onExtended: (untilMs) => journal.write({ kind: 'extended', atMs: monotonicMs(), untilMs }),
  onLost: (cause) => journal.write({ kind: 'ended', atMs: monotonicMs(), cause }),
  onFailure: (reason) => journal.write({ kind: 'waits', atMs: monotonicMs(), reason }),
}
const claim =
  options.lock === 'shared' ? leaseClaim(options, listener) : new NaiveLock(options, listener)
const resource = connect(socket, () => process.send?.('ready'))

setInterval(() => {
  const token = claim.token()
  if (token !== undefined) resource.write(lineOf({ contender: name, token, sentMs: monotonicMs() }))
}, writeEveryMs)

process.on('SIGCONT', () => claim.check())
process.on('message', (message: ToContender) => {
  switch (message.kind) {
    case 'acquire':
      claim.acquire()
      return
    case 'release':
      // It serves no more when it begins to release. After that, a rival may be granted it before this process runs on.
      journal.write({ kind: 'ended', atMs: monotonicMs(), cause: 'released' })
      void claim.release().then(() => process.send?.('released'))
      return
    case 'block':
      block(message.ms)
      return
  }
})
// Whoever wanted it is gone.
process.on('disconnect', () => process.exit(0))

/** Lets nothing else run: no timer, no answer. */
function block(ms: number): void {
  const untilMs = monotonicMs() + ms
  while (monotonicMs() < untilMs);
}
