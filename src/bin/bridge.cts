/**
 * What pm2 runs. CommonJS on purpose: pm2 keeps an ES module that throws while it loads as an `online`
 * process that does nothing; here a failure to load is printed and ends the process. And it listens from the
 * first moment: a message that comes while the rest is loading would be lost.
 */
const early: unknown[] = []
process.on('message', (message) => early.push(message))

import('./bridge.ts').then(
  ({ supervise }) => supervise(early),
  (error: unknown) => {
    const fail = () => process.exit(1)
    const text = error instanceof Error ? error.stack : String(error)
    process.stderr.write(`The bridge failed to load: ${text}\n`, 'utf8', fail)
    // pm2 replaces `write`, and with logs disabled its version never calls back.
    setTimeout(fail, 1_000)
  },
)
