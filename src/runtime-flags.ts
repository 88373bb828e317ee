/**
 * How V8 runs the primary and the workers: a young generation that holds the short life of many sockets, so
 * that they are not collected again and again on their way. It costs a process some megabytes at the most
 * (sizes are in MiB) and saves a few per cent of processor time for each connection (bench/README.md).
 */
export const runtimeFlags: readonly string[] = [
  '--min-semi-space-size=16',
  '--max-semi-space-size=32',
]
