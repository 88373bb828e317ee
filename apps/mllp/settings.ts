/** The settings of the app, checked: a mistake fails the start or the reload with one line. */

export function folderSetting(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw new Error(`app.folder is ${JSON.stringify(value)}; it must be the path of a folder`)
}

export function numberSetting(
  settings: Readonly<Record<string, unknown>>,
  name: string,
  fallback: number,
  least: number,
  most: number,
): number {
  const value = settings[name] ?? fallback
  if (Number.isInteger(value) && Number(value) >= least && Number(value) <= most)
    return Number(value)
  throw new Error(
    `app.${name} is ${JSON.stringify(value)}; it must be an integer from ${least} to ${most}`,
  )
}
