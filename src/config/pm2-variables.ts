/**
 * The names under which pm2 5 to 7 put their record of an app, and what its ecosystem entry says, into its
 * environment, beside the app's own variables. `port`, `time` and the like are not among them: an app may well have variables of these names,
 * and pm2 has no setting of its own there unless the entry asks for it.
 */
const recordKeys = new Set([
  '_pm2_version',
  'append_env_to_name',
  'args',
  'automation',
  'autorestart',
  'autostart',
  'axm_actions',
  'axm_dynamic',
  'axm_monitor',
  'axm_options',
  'combine_logs',
  'command',
  'created_at',
  'cron',
  'cron_restart',
  'cwd',
  'deep_monitoring',
  'disable_logs',
  'disable_source_map_support',
  'disable_trace',
  'env',
  'err_file',
  'err_log',
  'error_file',
  'event_loop_inspector',
  'exec_interpreter',
  'exec_mode',
  'execute_command',
  'exit_code',
  'exp_backoff_restart_delay',
  'filter_env',
  'ignore_watch',
  'increment_var',
  'install_url',
  'instance_var',
  'instances',
  'interpreter',
  'interpreterArgs',
  'interpreter_args',
  'kill_retry_time',
  'kill_timeout',
  'km_link',
  'listen_timeout',
  'log_date_format',
  'log_file',
  'log_type',
  'max_memory_restart',
  'max_restarts',
  'merge_logs',
  'min_uptime',
  'name',
  'name_prefix',
  'namespace',
  'node_args',
  'node_version',
  'out_file',
  'out_log',
  'pid_file',
  'pm_cwd',
  'pm_err_log_path',
  'pm_exec_path',
  'pm_id',
  'pm_log_path',
  'pm_out_log_path',
  'pm_pid_path',
  'pm_uptime',
  'pmx',
  'pmx_module',
  'post_update',
  'prev_restart_delay',
  'restart_delay',
  'restart_time',
  'script',
  'shutdown_with_message',
  'source_map_support',
  'status',
  'stop_exit_codes',
  'treekill',
  'unique_id',
  'unstable_restarts',
  'updateEnv',
  'username',
  'version',
  'versioning',
  'vizion',
  'vizion_running',
  'wait_ready',
  'watch',
  'watch_delay',
  'watch_options',
  'windowsHide',
])

/**
 * Whether a variable of a process is pm2's rather than the app's.
 *
 * @param environment - all variables of that process
 */
export function isOfPm2(key: string, environment: NodeJS.ProcessEnv): boolean {
  if (key.startsWith('PM2_') || key.startsWith('axm_')) return true
  // Only a process that pm2 itself started has the record.
  if (environment['pm_id'] === undefined) return false
  if (recordKeys.has(key)) return true
  // An object of the record, such as another `env_…`, is no variable, but pm2 writes it as one.
  if (environment[key] === '[object Object]') return true
  // The daemon of pm2 is silenced by this one; and pm2's module settings are under the name of the app.
  return key === 'SILENT' || (key === environment['name'] && environment[key] === '{}')
}
