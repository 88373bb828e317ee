import { spawnSync } from 'node:child_process'

/** Runs Prometheus's own tool to its end. */
export function promtool(args: readonly string[], input: string, cwd?: URL) {
  return spawnSync('promtool', args, { input, cwd, encoding: 'utf8' })
}
