import { getSystemErrorName } from 'node:util'

/** A failed call of the system as an error, with the properties that Node's own have; `errno` is negative. */
export function systemError(call: string, errno: number): Error {
  const code = getSystemErrorName(errno)
  return Object.assign(new Error(`${call} ${code}`), { code, syscall: call, errno })
}
