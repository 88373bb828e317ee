import { spawnSync } from 'node:child_process'

/** A program that starts another one, with its arguments. */
type Wrapper = readonly string[]

/** For a program of Node.js whose standard input is a pipe: a test that is killed tidies nothing up. */
export const endsWithItsTest = `process.stdin.resume().on('end', () => process.exit())`

/** A network of its own with only the loopback address. */
export const ownNetwork: Wrapper = inShell(['--net'], 'ip link set lo up')

/** A container: its own network, processes and mounts, on the same files. */
export const container: Wrapper = inShell(
  ['--net', '--mount', '--pid', '--fork', '--mount-proc'],
  'ip link set lo up',
)

/** Its own mounts, in which `directory` is empty: a container of a pod with a volume of its own there. */
export function withOwn(directory: string): Wrapper {
  return inShell(['--mount'], `mount -t tmpfs -o mode=700 tmpfs '${directory}'`)
}

/** Its own mounts, in which /proc is empty. */
export const withoutProc: Wrapper = inShell(['--mount'], 'mount -t tmpfs tmpfs /proc')

/** Whether this system permits this user to run the wrapper. */
export function works([program = '', ...args]: Wrapper): boolean {
  return spawnSync(program, [...args, 'true'], { stdio: 'ignore' }).status === 0
}

function inShell(namespaces: readonly string[], prepare: string): Wrapper {
  return ['unshare', ...namespaces, 'sh', '-c', `${prepare} && exec "$0" "$@"`]
}
