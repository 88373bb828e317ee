import { join } from 'node:path'

/** The project's folder. These files run compiled, as dist/bench/*.js, hence two levels up. */
export const projectRoot = join(import.meta.dirname, '..', '..')

/** The folder of the C programs' sources. */
export const nativeSources = join(projectRoot, 'bench', 'native')

/** The folder of the compiled C programs: beside the compiled TypeScript, which git already ignores. */
export const nativeBuild = join(import.meta.dirname, 'native')

/** The results file, unless `--out` names another. */
export const defaultOut = join(projectRoot, 'bench', 'results', 'latest.json')

/** The results file of the lease benchmark. */
export const leaseOut = join(projectRoot, 'bench', 'results', 'lease.json')

/** The command line of helloserver, compiled. */
export const helloserverCli = join(projectRoot, 'dist', 'src', 'bin', 'cli.js')

/** The command line of pm2. */
export const pm2Cli = join(projectRoot, 'node_modules', '.bin', 'pm2')

/** The echo server that pm2 and node:cluster run. */
export const echoServer = join(import.meta.dirname, 'targets', 'echo-server.js')

/** The primary of the bare node:cluster target. */
export const clusterPrimary = join(import.meta.dirname, 'targets', 'cluster-primary.js')

/** The app of the helloserver targets. */
export const benchApp = join(import.meta.dirname, 'targets', 'bench-app.js')
