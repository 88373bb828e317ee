import { variables } from '../config/environment.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import { portHolder, type ServiceProcess } from './port-holder.ts'

/** A port that is unavailable because another helloserver service listens on it. */
class PortTakenError extends HelloserverError {
  override readonly name = 'PortTakenError'
  readonly holder: ServiceProcess

  constructor(port: number, holder: ServiceProcess, cause: unknown) {
    const { name, pid, runDir } = holder
    super(
      'ADDRESS_TAKEN',
      `Port ${port} is taken by the helloserver service "${name}" (process ${pid}, run directory ${runDir}); reach it with ${variables.runDir}=${runDir} and --name ${name}, or set another port ("port" or "listen" in the configuration, or ${variables.port})`,
      { cause },
    )
    this.holder = holder
  }
}

/** Returns the error itself or, if another helloserver service has the address, one that names that service. */
export function namingPortHolder(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined
  if (codeOf(cause) !== 'EADDRINUSE') return error
  const { port } = cause as { port?: unknown }
  const holder = typeof port === 'number' ? portHolder(port) : undefined
  if (typeof port !== 'number' || holder === undefined || holder.pid === process.pid) return error
  return new PortTakenError(port, holder, cause)
}

/** The error for a service of that name that runs already, from a run directory that this process was not told of. */
export function runsElsewhere(error: unknown, name: string): HelloserverError | undefined {
  if (!(error instanceof PortTakenError) || error.holder.name !== name) return undefined
  return new HelloserverError('RUNS_ELSEWHERE', error.message, { cause: error })
}
