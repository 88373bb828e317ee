/** The values of `log.syslog`: off, the system's own socket, another socket, or another host. */
export const syslogPattern =
  /^(off|local|unix:\/\/\/.+|(udp|tcp):\/\/(\[[\d:a-f.]+\]|[\w.-]+):\d{1,5})$/i

/** Whether `loggerArguments` accepts the target, or it is "off". */
export function isSyslogTarget(target: string): boolean {
  return syslogPattern.test(target) && (!target.includes(':') || URL.canParse(target))
}

/** The maximum length of a line, in bytes; a UTF-16 unit of its text is allowed four. */
const maxLineBytes = 16_384
export const maxTextLength = maxLineBytes / 4 - 64

/**
 * The arguments with which logger(1) of util-linux sends each line that it reads, in the shape of `syslogLine`. A
 * socket of this host gets the system's own format, another host that of RFC 5424.
 *
 * @param target - valid according to `isSyslogTarget`, and not `off`
 * @param identity - the name and process that the lines carry
 */
export function loggerArguments(
  target: string,
  { service, pid }: { readonly service: string; readonly pid: number },
): string[] {
  const common = ['--prio-prefix', '--tag', service, `--id=${pid}`, '--size', `${maxLineBytes}`]
  if (target === 'local') return [...common, '--socket-errors=on']
  const { protocol, hostname, port, pathname } = new URL(target)
  if (protocol === 'unix:') {
    return [...common, '--socket-errors=on', '--socket', decodeURIComponent(pathname)]
  }
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const transport = protocol === 'udp:' ? '--udp' : '--tcp'
  return [...common, '--rfc5424=notq', '--server', host, '--port', port, transport]
}
