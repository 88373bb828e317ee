import fc from 'fast-check'

/** Lengths of chunks, used in turn. */
export const cuts = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 1_200 })),
  {
    minLength: 1,
    maxLength: 20,
  },
)

/** Cuts bytes into chunks, each of which is a buffer of its own, as a socket delivers them. */
export function chunked(bytes: Uint8Array, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, cut = 0; at < bytes.length; cut += 1) {
    const end = at + (lengths[cut % lengths.length] ?? 1)
    chunks.push(Buffer.from(bytes.subarray(at, end)))
    at = end
  }
  return chunks
}
