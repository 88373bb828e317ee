/**
 * What pm2 reads. An entry is a service: its name names its PID file and its control socket, its `env`
 * overrides its configuration file.
 *
 * The timeouts belong together: `kill_timeout` must be longer than the configuration's `drain.announceMs`
 * and `drain.timeoutMs` together, `listen_timeout` longer than twice `reload.readyTimeoutMs`; the service
 * warns in its log when they are not.
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
  // 2: one process too many. 3: the service was ended on purpose. 78: the configuration must be mended first.
  stop_exit_codes: [2, 3, 78],
  exp_backoff_restart_delay: 100,
  pmx: false,
  vizion: false,
  env,
})

export const apps = [
  service('helloserver'),
  // A second service is one more line:
  // service('whois'),
]
