/** `npm run compare`: the same app, load and events under helloserver and under pm2's own cluster mode, as Markdown. */
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../../src/errors.ts'
import { Cleanups } from '../../helpers/cleanup.ts'
import { chooseSeed } from '../../helpers/random.ts'
import { type Figures, figuresOf } from '../figures.ts'
import { storyOf } from '../story.ts'
import { workerCount } from '../world.ts'
import { Contestant } from './contestant.ts'
import { helloserver, pm2Cluster } from './flavour.ts'
import { medianReloadsMs, type ReloadCommand } from './idle-reloads.ts'
import { markdownTable } from './markdown.ts'
import { type CompareOptions, readOptions, usage } from './options.ts'
import type { Trial } from './trials.ts'

function progress(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Longer than a connection lives, so that one event has no part in what happens to those of the next. */
const restMs = 3_000
const idleRounds = 9
const storiesTold = 10

/** Both in turn, so that what else the machine does reaches both. */
async function compete(contestants: readonly Contestant[], trial: Trial): Promise<void> {
  for (const contestant of contestants) {
    const { ledger, flavour } = contestant
    progress(`${flavour.name}: ${trial.name}`)
    const occurrence = ledger.begin({ name: trial.name, tolerance: {} })
    await trial.run(contestant)
    await contestant.settled()
    ledger.end(occurrence)
    await delay(restMs)
  }
}

/** The first of them, in each one's own words, so that a figure can be understood. */
function tellLosses({ flavour, ledger, pm2 }: Contestant): void {
  const losses = ledger.violations.filter(({ connection }) => connection.outcome !== 'refused')
  for (const loss of losses.slice(0, storiesTold)) {
    progress(`${flavour.name}: ${storyOf(loss, pm2.sandbox.log())}`)
  }
}

function cells(figures: Figures | undefined): string[] {
  if (figures === undefined) return ['', '', '']
  const gap = figures.longestGapMs === 0 ? '–' : `${(figures.longestGapMs / 1000).toFixed(1)} s`
  return [String(figures.lost), String(figures.refused), gap]
}

function tableOf(contestants: readonly Contestant[]): string {
  const heads = contestants.flatMap(({ flavour: { name } }) => [
    `${name}: lost`,
    'refused',
    'longest gap',
  ])
  const figures = contestants.map(({ ledger: { occurrences, between } }) =>
    figuresOf([...occurrences, between]),
  )
  const names = figures[0]?.map(({ name }) => name) ?? []
  const rows = names.map((name) =>
    [name].concat(figures.flatMap((all) => cells(all.find((one) => one.name === name)))),
  )
  return markdownTable(['event', ...heads], rows)
}

/** `pm2 reload` of each, and helloserver's own command. */
function reloadCommands(contestants: readonly Contestant[]): ReloadCommand[] {
  return contestants.flatMap((contestant) => {
    const { flavour, pm2 } = contestant
    const byPm2 = {
      name: `pm2 reload, ${flavour.name}`,
      contestant,
      run: () => pm2.do('reload', 'helloserver'),
    }
    if (flavour !== helloserver) return [byPm2]
    return [{ name: 'helloserver reload', contestant, run: () => pm2.sandbox.cli('reload') }, byPm2]
  })
}

async function compare(cleanups: Cleanups, { rounds, trials }: CompareOptions): Promise<void> {
  const contestants: Contestant[] = []
  for (const flavour of [helloserver, pm2Cluster]) {
    contestants.push(await Contestant.start(cleanups, flavour))
  }
  progress('Reloads without load')
  const commands = reloadCommands(contestants)
  const idleMs = await medianReloadsMs(commands, idleRounds)
  const seed = chooseSeed()
  for (const contestant of contestants) contestant.startLoad(seed)
  for (let round = 0; round < rounds; round += 1) {
    for (const trial of trials) await compete(contestants, trial)
  }
  for (const contestant of contestants) await contestant.stopLoad()
  for (const contestant of contestants) tellLosses(contestant)
  process.stdout.write(`${tableOf(contestants)}\n\n`)
  for (const [index, { name }] of commands.entries()) {
    const ms = Math.round(idleMs[index] ?? 0)
    process.stdout.write(`${name}, ${workerCount} idle workers: ${ms} ms\n`)
  }
}

async function runAndTidy(options: CompareOptions): Promise<void> {
  const cleanups = new Cleanups()
  try {
    await compare(cleanups, options)
  } catch (error) {
    progress(messageOf(error))
    process.exitCode = 1
  } finally {
    await cleanups.run()
  }
}

/** Undefined when they make no sense, which has been said then. */
function checkedOptions(): CompareOptions | undefined {
  try {
    return readOptions()
  } catch (error) {
    progress(`${messageOf(error)}\n\n${usage}`)
    process.exitCode = 2
    return undefined
  }
}

if (process.argv.includes('--help')) process.stdout.write(usage)
else {
  const options = checkedOptions()
  if (options !== undefined) await runAndTidy(options)
}
