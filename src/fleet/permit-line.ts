import type { PermitStatus } from './fleet-status.ts'

/** Describes a host's wait for its permit in one readable line. */
export function permitLine({ place, down, reason }: PermitStatus): string {
  const where = place === null ? 'asking for it' : `${ordinal(place)} in line`
  const who = down.map(({ host, how }) => `${host} (${how})`).join(', ')
  return [
    `waiting for a permit: ${where}`,
    ...(who === '' ? [] : [`down now: ${who}`]),
    ...(reason === null ? [] : [reason]),
  ].join('; ')
}

const endings: Readonly<Partial<Record<Intl.LDMLPluralRule, string>>> = {
  one: 'st',
  two: 'nd',
  few: 'rd',
}
const rules = new Intl.PluralRules('en', { type: 'ordinal' })

function ordinal(number: number): string {
  return `${number}${endings[rules.select(number)] ?? 'th'}`
}
