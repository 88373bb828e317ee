import { variables } from '../config/environment.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import { portHolder, type ServiceProcess } from './port-holder.ts'

/** A port that cannot be had because another helloserver service listens there. */
export class PortTakenError extends HelloserverError {
  override readonly name = 'PortTakenError'
  readonly holder: ServiceProcess

  constructor(port: number, holder: ServiceProcess, cause: unknown) {
    const { name, pid, runDir } = holder
    super(
      'ADDRESS_TAKEN',
      `Port ${port} is taken by the helloserver service "${name}" (process ${pid}, run directory ${runDir}); reach it with ${variables.runDir}=${runDir} and --name ${name}, or set ${variables.port} to another port`,
      { cause },
    )
    this.holder = holder
  }
}

/** The error itself, or, for an address that another helloserver service has, one that says which service that is. */
export function namingPortHolder(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined
  if (codeOf(cause) !== 'EADDRINUSE') return error
  const { port } = cause as { port?: unknown }
  const holder = typeof port === 'number' ? portHolder(port) : undefined
  if (typeof port !== 'number' || holder === undefined || holder.pid === process.pid) return error
  return new PortTakenError(port, holder, cause)
}
