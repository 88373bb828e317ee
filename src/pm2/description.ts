import type { ReloadResult, Status } from '../status.ts'

/** Rows of `pm2 describe`: a word or two, and what there is to say. */
export type Description = readonly (readonly [label: string, text: string])[]

/** What `pm2 describe` shows of the service: where it is, what runs, and what the last deploy did. */
export function description(status: Status, pidFile: string): Description {
  const { name, version, build, listen, pid, lastReload } = status
  return [
    ['Service', `${name} ${version}, build ${build}`],
    ['Listens on', `${listen.host}:${listen.port}`],
    ['Primary', `process ${pid}, ${pidFile}`],
    ['Last reload', reloadText(lastReload)],
  ]
}

function reloadText(reload: ReloadResult | null): string {
  if (reload === null) return 'none'
  const { outcome, at, durationMs, reason } = reload
  return reason === null
    ? `${outcome} at ${at} in ${durationMs} ms`
    : `${outcome} at ${at}: ${reason}`
}
