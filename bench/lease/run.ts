/**
 * Measures helloserver's lease side by side with other locks in Redis; see README.md in the folder above.
 * Exit status: 0 measured; 1 could not measure; 2 usage; 128 and the signal's number when interrupted.
 */
import { describeMachine } from '../machine.ts'
import { abortOnSignals, progress, runProgram } from '../program.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { markdownOf, type Results, resultsOf, writeResults } from './results.ts'
import { measureAll, type Stage } from './rounds.ts'
import { startRedis } from './server.ts'
import type { Contender, Target } from './target.ts'
import { helloserverLease } from './targets/helloserver-lease.ts'
import { redisSemaphore } from './targets/redis-semaphore.ts'
import { redlock } from './targets/redlock.ts'

const targets = [helloserverLease, redisSemaphore, redlock]

async function run(options: Options, signal: AbortSignal): Promise<Results> {
  const machine = await describeMachine()
  const redis = await startRedis()
  const opened: Contender[] = []
  const open = async (target: Target, lock: string) => {
    const contender = await target.open(redis.port, lock)
    opened.push(contender)
    return contender
  }
  try {
    const stages: Stage[] = []
    for (const target of targets) {
      const { name } = target
      const alone = await open(target, `${name}-alone`)
      const pair = [await open(target, `${name}-pair`), await open(target, `${name}-pair`)] as const
      stages.push({ target: name, alone, pair })
    }
    const measured = await measureAll(stages, options, progress, signal)
    return resultsOf(machine, redis.version, options, measured)
  } finally {
    for (const contender of opened) contender.close()
    await redis.stop()
  }
}

await runProgram(async () => {
  const options = parseOptions(process.argv.slice(2))
  const results = await run(options, abortOnSignals())
  await writeResults(options.out, results)
  process.stdout.write(`${markdownOf(results)}\n`)
}, usage)
