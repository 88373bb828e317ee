const newline = 10
/** A line longer than this is passed on in pieces, so that a worker cannot fill the primary's memory. */
const maxLineBytes = 65_536

/** Makes a listener for a stream's chunks that passes them on line by line, without the newlines. */
export function lines(onLine: (line: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0)
  return (chunk) => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline)) {
      if (end > 0) onLine(bytes.subarray(0, end))
      bytes = bytes.subarray(end + 1)
    }
    if (bytes.length > maxLineBytes) {
      onLine(bytes)
      bytes = Buffer.alloc(0)
    }
    rest = Buffer.from(bytes)
  }
}
