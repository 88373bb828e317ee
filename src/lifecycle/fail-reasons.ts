/** Why a connection has failed, as its worker reports it; `none` if it has not. New ones come last. */
export const reasons = [
  'none',
  'client-reset',
  'read-timeout',
  'deadline',
  'line-too-long',
  'handler-error',
  'terminated',
  'lease-lost',
  'ended-early',
  'tls-failed',
  'tls-timeout',
] as const

/**
 * Why a connection has failed: as its worker has reported it, because its worker has died, because a stop or a loss of
 * the lease has dropped it, or because of its PROXY header.
 */
export const failReasons = [
  ...reasons,
  'worker-died',
  'dropped',
  'proxy-untrusted',
  'proxy-missing',
  'proxy-malformed',
  'proxy-timeout',
] as const

export type FailReason = (typeof failReasons)[number]
