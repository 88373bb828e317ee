import { type Claim, type History, servedUntilMs } from './history.ts'

export type Wrong =
  /** Two believed to have it at the same time. */
  | 'overlap'
  /** A grant's token is not higher than that of every grant before. */
  | 'token'
  /** The resource took a write after one with a newer token, or with a token that nobody had. */
  | 'stale'
  /** A rival began before the holder knew that it was over. */
  | 'unaware'

/** Something that must never happen. */
export interface Violation {
  readonly wrong: Wrong
  readonly atMs: number
  readonly story: string
}

/** All that was wrong in a history, in the order in which it happened. */
export function violationsIn(history: History): Violation[] {
  const { claims, turns, strays } = history
  const violations: Violation[] = strays.map(({ contender, token, arrivedMs }) => ({
    wrong: 'stale',
    atMs: arrivedMs,
    story: `a write of ${contender} with token ${token}, which it never said to have`,
  }))
  let latest: Claim | undefined
  let highest: Claim | undefined
  for (const claim of claims) {
    const say = (wrong: Wrong, other: Claim) =>
      violations.push({ wrong, atMs: claim.fromMs, story: storyOf(other, claim) })
    if (latest !== undefined && servedUntilMs(latest) > claim.fromMs) say('overlap', latest)
    if (highest !== undefined && claim.token <= highest.token) say('token', highest)
    const isRival = latest !== undefined && latest.contender !== claim.contender
    if (latest !== undefined && isRival && (latest.endedMs ?? Infinity) > claim.fromMs) {
      say('unaware', latest)
    }
    if (latest === undefined || servedUntilMs(claim) > servedUntilMs(latest)) latest = claim
    if (highest === undefined || claim.token > highest.token) highest = claim
  }
  let newest: Claim | undefined
  for (const { claim, atMs } of turns) {
    if (newest !== undefined && claim.token < newest.token) {
      violations.push({ wrong: 'stale', atMs, story: storyOf(newest, claim) })
    }
    if (newest === undefined || claim.token > newest.token) newest = claim
  }
  return violations.toSorted((one, other) => one.atMs - other.atMs)
}

/** What a person needs to know of two claims that do not go together. */
function storyOf(before: Claim, claim: Claim): string {
  const after = (ms: number | undefined) => {
    if (ms === undefined) return 'never'
    return ms === Infinity ? 'no end' : `${(ms - before.fromMs).toFixed(1)} ms`
  }
  const told = [before, claim].map(
    (one) =>
      `${one.contender} had token ${one.token} from ${after(one.fromMs)} until ${after(one.untilMs)}, ` +
      `wrote last at ${after(one.lastWriteMs)} (${one.accepted} accepted, ${one.refused} refused), ` +
      `knew the end at ${after(one.endedMs)} (${one.cause ?? 'no cause'})`,
  )
  return told.join('; ')
}
