/**
 * Signals that reach a worker because they were sent to its group (a terminal's Ctrl-C, `kill -HUP -PGID`)
 * are the primary's business. Imported before anything else: until SIGUSR1 has a listener, Node opens its
 * debugger on it.
 */
for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGPIPE'] as const) {
  process.on(signal, () => {})
}
