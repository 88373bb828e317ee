/** The kind of an error, as a stable name that callers may branch on. */
export type ErrorCode =
  | 'BAD_CONFIG'
  | 'BAD_USAGE'
  | 'ALREADY_RUNNING'
  | 'RUNS_ELSEWHERE'
  | 'NOT_RUNNING'
  | 'ADDRESS_TAKEN'
  | 'ADDRESS_ABSENT'
  | 'APP_FAILED'
  | 'BOOT_FAILED'
  | 'CANNOT_SPAWN'
  | 'RELOAD_FAILED'
  | 'STOPPING'
  | 'CONTROL_FAILED'
  | 'SUPERVISED'
  | 'OTHER_PROTOCOL'
  | 'HANDED_OVER'
  | 'HUNG_UP'
  | 'REDIS_FAILED'
  | 'REDIS_REFUSED'
  | 'LEASE_LOST'
  | 'LEASE_REFUSED'
  | 'NO_FLEET'
  | 'UNKNOWN_HOST'
  | 'HOST_ALIVE'
  | 'UNKNOWN_BUILD'
  | 'BUILD_REFUSED'
  | 'ILLEGAL_MOVE'
  | 'CLIENT_GONE'
  | 'CONNECTION_ENDED'
  | 'READ_TIMEOUT'
  | 'DEADLINE'
  | 'LINE_TOO_LONG'
  | 'ENDED_EARLY'
  | 'TERMINATED'
  | 'TLS_FAILED'
  | 'TLS_TIMEOUT'

/** An error of helloserver's own: one sentence for people, a code for programs. */
export class HelloserverError extends Error {
  override readonly name: string = 'HelloserverError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The error of a process that is no longer the service; the caller should ask the new one. */
export function handedOver(pid: number): HelloserverError {
  return new HelloserverError('HANDED_OVER', `Process ${pid} is the service now`)
}

/** The error of a request that can no longer be performed because the service ends. */
export function stopping(): HelloserverError {
  return new HelloserverError('STOPPING', 'The service is stopping')
}

/**
 * A line that did not end within `connection.maxLineBytes`, or a delimited piece or a frame that exceeds its own
 * bound; an app may answer it in its own way.
 */
export class LineTooLongError extends HelloserverError {
  override readonly name = 'LineTooLongError'
  readonly limitBytes: number

  constructor(limitBytes: number, message = `The line did not end within ${limitBytes} bytes`) {
    super('LINE_TOO_LONG', message)
    this.limitBytes = limitBytes
  }
}

/** Exit statuses of every helloserver program (the contract in docs/operations.md). */
export const exitStatus = {
  done: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  alreadyRunning: 4,
  /** EX_CONFIG of sysexits(3). */
  badConfig: 78,
} as const

const statusByCode: Partial<Record<ErrorCode, number>> = {
  BAD_CONFIG: exitStatus.badConfig,
  LEASE_REFUSED: exitStatus.badConfig,
  REDIS_REFUSED: exitStatus.badConfig,
  BAD_USAGE: exitStatus.usage,
  ALREADY_RUNNING: exitStatus.alreadyRunning,
  RUNS_ELSEWHERE: exitStatus.alreadyRunning,
  NOT_RUNNING: exitStatus.notRunning,
}

/** The exit status that tells a script what happened. */
export function exitStatusOf(error: unknown): number {
  if (!(error instanceof HelloserverError)) return exitStatus.failed
  return statusByCode[error.code] ?? exitStatus.failed
}

/** The length at which a message is cut, in characters: an app decides how long its errors are. */
const maxMessageLength = 8_192

/**
 * The message of any thrown value: null, a text of any length, an object whose properties throw, a revoked
 * proxy. This never throws itself.
 */
export function messageOf(error: unknown): string {
  const message = attempt(() => {
    const said: unknown = error instanceof Error ? error.message : error
    return String(said)
  })
  return cutText(message ?? 'a value that cannot be shown', maxMessageLength)
}

/** The `code` of a system or helloserver error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  // Read once: a getter may throw, or answer differently each time.
  const code = attempt(() => (error as { readonly code?: unknown }).code)
  return typeof code === 'string' ? code : undefined
}

/** The stack of a thrown error, if it has one that can be read. */
export function stackOf(error: unknown): string | undefined {
  const stack = attempt(() => (error instanceof Error ? error.stack : undefined))
  return typeof stack === 'string' ? stack : undefined
}

/** Cuts a text to `maxLength` characters, and marks where it was cut. */
export function cutText(text: string, maxLength: number): string {
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
}

/** The result of `read`; undefined when it throws, as any access to a foreign object can. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
