/** Control and formatting characters, line and paragraph separators. */
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/**
 * Extracts the name from a query line: surrounding blanks are removed, and repeated blanks are merged.
 *
 * Invalid UTF-8 becomes U+FFFD, and characters that could act on a terminal become "?", so that the name can be shown
 * to the client.
 *
 * @param line - the query as it arrived, with or without its CRLF
 */
export function nameIn(line: Buffer): string {
  return line.toString('utf8').trim().replace(/\s+/gu, ' ').replace(unsafe, '?')
}

/** Normalizes a name: names that differ only in case, blanks or Unicode composition have the same key. */
export function nameKey(name: string): string {
  return name.trim().replace(/\s+/gu, ' ').normalize('NFC').toLowerCase()
}
