const newline = 10
/** A longer line is passed on in pieces, so that a worker cannot fill the primary's memory. */
const maxLineBytes = 65_536

/**
 * Makes a listener for a stream's chunks that passes them on line by line, without the newlines.
 *
 * @param onLine - returns false when it accepts no more for now: the remaining complete lines of the chunk are
 * skipped
 * @param onSkipped - called with the number of skipped lines
 */
export function lines(
  onLine: (line: Buffer) => unknown,
  onSkipped: (count: number) => void = () => {},
): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0)
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let from = 0
    let isWanted = true
    for (
      let end = bytes.indexOf(newline);
      isWanted && end >= 0;
      end = bytes.indexOf(newline, from)
    ) {
      if (end > from) isWanted = onLine(bytes.subarray(from, end)) !== false
      from = end + 1
    }
    if (!isWanted) {
      const skipped = countLines(bytes, from)
      from = bytes.lastIndexOf(newline) + 1
      if (skipped > 0) onSkipped(skipped)
    }
    if (bytes.length - from > maxLineBytes) {
      onLine(bytes.subarray(from))
      from = bytes.length
    }
    rest = Buffer.from(bytes.subarray(from))
  }
}

function countLines(bytes: Buffer, from: number): number {
  let count = 0
  for (let end = bytes.indexOf(newline, from); end >= 0; end = bytes.indexOf(newline, end + 1)) {
    count += 1
  }
  return count
}
