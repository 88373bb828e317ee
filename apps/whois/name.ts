/** Control and formatting characters, line and paragraph separators. */
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/**
 * The name that a query line asks for: blanks around it and doubled blanks in it do not count.
 *
 * Bytes that are no UTF-8 become U+FFFD, and characters that could act on a terminal become "?", so that
 * what is left can be shown to whoever asked.
 *
 * @param line - the query as it arrived, with or without its CRLF
 */
export function nameIn(line: Buffer): string {
  return line.toString('utf8').trim().replace(/\s+/gu, ' ').replace(unsafe, '?')
}

/** What two names have in common when they are the same but for case, blanks and Unicode composition. */
export function nameKey(name: string): string {
  return name.trim().replace(/\s+/gu, ' ').normalize('NFC').toLowerCase()
}
