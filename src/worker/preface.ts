import { type ProxyHeader, parseProxyHeader } from '../proxy-protocol/proxy-header.ts'

const nothing = Buffer.alloc(0)

/** The PROXY header that the primary has read, and the bytes behind it, which are the client's first. */
export interface Preface {
  readonly header: ProxyHeader | undefined
  readonly rest: Buffer
}

/**
 * @param bytes - undefined when the primary has read nothing
 * @throws Error when it is no header, which the primary would have refused
 */
export function parsePreface(bytes: Buffer | undefined): Preface {
  if (bytes === undefined) return { header: undefined, rest: nothing }
  const parsed = parseProxyHeader(bytes)
  if (parsed.kind !== 'header')
    throw new Error(`The primary has accepted a header that is ${parsed.kind}`)
  return { header: parsed.header, rest: bytes.subarray(parsed.length) }
}
