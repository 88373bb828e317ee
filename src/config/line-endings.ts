/** The bytes that end a line: CRLF; LF; or CRLF, LF or CR, whichever comes first. */
export const lineEndings = ['crlf', 'lf', 'any'] as const

export type LineEnding = (typeof lineEndings)[number]
