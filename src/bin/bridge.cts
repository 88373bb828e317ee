/**
 * The program that pm2 runs. CommonJS on purpose: when an ES module throws while it loads, pm2 keeps it as an
 * `online` process that does nothing; here a failure to load is printed and ends the process. CommonJS also
 * runs at once: messages from pm2 and signals that arrive while the rest is loading would be lost, or worse.
 */
type Events = typeof import('../pm2/pm2-events.ts')
type Supervise = typeof import('./supervise.ts')

function fail(error: unknown): void {
  const exit = () => process.exit(1)
  const text = error instanceof Error ? error.stack : String(error)
  process.stderr.write(`The bridge failed to load: ${text}\n`, 'utf8', exit)
  // pm2 replaces `write`, and with logs disabled its version never calls back.
  setTimeout(exit, 1_000)
}

try {
  if (!process.features.require_module) {
    throw new Error(
      `Node.js ${process.versions.node} is too old; use Node.js 20.19, 22.12 or newer`,
    )
  }
  const { Pm2Events } = require('../pm2/pm2-events.js') as Events
  const events = new Pm2Events()
  // By `require`, which loads faster than `import` (see load.ts).
  const { supervise } = require('./supervise.js') as Supervise
  void supervise(events)
} catch (error) {
  fail(error)
}
