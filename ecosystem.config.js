/**
 * pm2's configuration. Each entry is a service: the PID file and the control socket are named after it, and
 * its `env` overrides its configuration file.
 *
 * The timeouts depend on the configuration: `kill_timeout` must exceed the sum of `drain.announceMs` and
 * `drain.timeoutMs`, and `listen_timeout` must exceed twice `reload.readyTimeoutMs`; the service logs a
 * warning when they do not.
 */
const service = (name, env = {}) => ({
  name,
  cwd: import.meta.dirname,
  script: 'dist/src/bin/bridge.cjs',
  exec_mode: 'cluster',
  instances: 1,
  wait_ready: true,
  listen_timeout: 40_000,
  shutdown_with_message: true,
  kill_timeout: 60_000,
  treekill: false,
  // 2: a superfluous process. 3: the service was stopped on purpose. 78: the configuration must be fixed first.
  stop_exit_codes: [2, 3, 78],
  exp_backoff_restart_delay: 100,
  pmx: false,
  vizion: false,
  env,
})

export const apps = [
  service('helloserver'),
  // Each further service takes one more line:
  // service('whois'),
]
