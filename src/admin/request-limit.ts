import { TokenBucket } from '../token-bucket.ts'

/** The size of a burst of requests, and the number of requests answered per second after that. */
const burst = 100
const perSecond = 20

/** Limits the number of answered requests, so that the page takes no resources that the service's clients need. */
export function requestLimit(): TokenBucket {
  return new TokenBucket(burst, perSecond)
}
