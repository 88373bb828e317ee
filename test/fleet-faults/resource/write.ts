/** A write to the resource, as it was asked for. */
export interface Write {
  readonly contender: string
  readonly token: number
  /** When the contender's guard let it through. */
  readonly sentMs: number
}

/** A write, as the resource saw it. */
export interface Judged extends Write {
  readonly arrivedMs: number
  readonly isAccepted: boolean
}

export function lineOf({ contender, token, sentMs }: Write): string {
  return `${contender} ${token} ${sentMs}\n`
}

/** Reads a line that `lineOf` wrote. */
export function readWrite(line: string): Write {
  const [contender = '', token, sentMs] = line.split(' ')
  return { contender, token: Number(token), sentMs: Number(sentMs) }
}
