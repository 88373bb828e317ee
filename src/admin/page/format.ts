const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

export function count(value: number): string {
  return whole.format(value)
}

/** Formats a rate; three digits for small values, so that the text does not jump about. */
export function rate(value: number): string {
  if (value === 0) return '0'
  return value < 100 ? value.toFixed(1) : whole.format(value)
}

/** Formats a short duration, such as that of a connection. */
export function milliseconds(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : span(ms)
}

/** Formats a long duration in its two largest units. */
export function span(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** Formats a size without the unit, which is in the column's heading. */
export function mebibytes(bytes: number): string {
  return bytes === 0 ? '–' : whole.format(bytes / 1_048_576)
}

/** Formats the time of day in the reader's time zone. */
export function timeOf(iso: string): string {
  return clock.format(new Date(iso))
}
