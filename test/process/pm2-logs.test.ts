import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { startIn } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Logs every line that it echoes, in its own words and by console.log; "crash" ends its worker. */
const talker = `export default {
  async handle(connection, { log }) {
    const line = await connection.readLine()
    const text = line.toString().trim()
    if (text === 'crash') setImmediate(() => { throw new Error('the app crashed') })
    if (text.startsWith('fill')) log.info({ filling: 'x'.repeat(8000) }, text)
    else log.info('logged ' + text)
    console.log('printed ' + text)
    await connection.write(line)
  },
}`

const linesOf = (log: string): string[] => log.split('\n').filter((line) => line !== '')

/** How often each of the service's own log lines is in pm2's log. */
function shownTimes(pm2: Pm2): Map<string, number> {
  const counts = new Map(linesOf(pm2.sandbox.log()).map((line) => [line, 0]))
  for (const line of linesOf(pm2.log())) {
    const count = counts.get(line)
    if (count !== undefined) counts.set(line, count + 1)
  }
  return counts
}

/** Whether the bridge has noted that it has shown all of the log: one that is killed before shows its end again. */
function isNoted({ sandbox }: Pm2): boolean {
  if (!existsSync(sandbox.logCursorFile)) return false
  const [offset] = readFileSync(sandbox.logCursorFile, 'utf8').split(' ')
  return Number(offset) === statSync(sandbox.logFile).size
}

/** Waits until everything that the service has logged is in pm2's log, and fails when a line is there twice. */
async function shownOnce(pm2: Pm2): Promise<void> {
  await waitFor('the whole log in pm2', () => [...shownTimes(pm2).values()].every((n) => n > 0))
  await waitFor('the place where it goes on', () => isNoted(pm2))
  const twice = [...shownTimes(pm2)].filter(([, count]) => count > 1)
  assert.deepEqual(twice.slice(0, 3), [], `${twice.length} lines are shown several times`)
}

describe("the service's log in pm2's", { concurrency: 2 }, () => {
  test('has all of it, each line once', async (t) => {
    const pm2 = new Pm2(t, { app: talker, allow: [/the app crashed/, /Connection lost/] })
    const { port } = await startIn(pm2.sandbox)

    await t.test('the lines logged before pm2 came', async () => {
      await ask(port, 'early\r\n')
      await pm2.do('start', pm2.ecosystemFile)
      await pm2.logged(/"msg":"printed early"/)
      await shownOnce(pm2)
    })

    await t.test(
      "the lines of the primary and the workers, an app's output, and its crash",
      async () => {
        await ask(port, 'hello\r\n')
        await ask(port, 'crash\r\n')
        await pm2.logged(/"role":"primary".*"msg":"Serving on/)
        await pm2.logged(/"role":"worker".*"msg":"logged hello"/)
        await pm2.logged(/"stream":"stdout","msg":"printed hello"/)
        await pm2.logged(/"level":"fatal".*"role":"worker".*the app crashed.*app\.js:\d+/)
        await pm2.logged(/Worker 1 died \(.*\); starting another/)
        await shownOnce(pm2)
        const logs = await pm2.run('logs', 'helloserver', '--nostream', '--raw', '--lines', '99')
        assert.match(logs.stdout, /"msg":"printed hello"/)
      },
    )

    await t.test('over the death of a bridge', async () => {
      const { pid } = await pm2.bridge()
      signalTo(pid, 'SIGKILL')
      await waitFor('the end of the bridge', () => !isAlive(pid))
      await ask(port, 'after\r\n')
      await pm2.logged(/"msg":"printed after"/)
      await shownOnce(pm2)
    })

    await t.test('the lines logged while pm2 was away', async () => {
      await pm2.killDaemon()
      await ask(port, 'meanwhile\r\n')
      assert.doesNotMatch(pm2.log(), /printed meanwhile/)
      await pm2.do('start', pm2.ecosystemFile)
      await pm2.logged(/"msg":"printed meanwhile"/)
      await shownOnce(pm2)
    })

    await t.test('over reloads while a lot is logged', async () => {
      const load = pm2.load(port, 2)
      for (const _ of [1, 2]) await pm2.do('reload', 'helloserver')
      assert.deepEqual((await load.stop()).failures, [])
      await shownOnce(pm2)
    })

    await t.test('to the very end', async () => {
      await pm2.do('stop', 'helloserver')
      await pm2.logged(/"msg":"Ended"/)
      await shownOnce(pm2)
    })
  })

  test('has the tail only of a lot that was logged before pm2 came, and says so', async (t) => {
    const pm2 = new Pm2(t, { app: talker })
    const { port } = await startIn(pm2.sandbox)
    for (let count = 0; count < 60; count += 1) await ask(port, `fill ${count}\r\n`)
    const written = pm2.sandbox.log()
    await pm2.do('start', pm2.ecosystemFile)
    await pm2.logged(/"msg":"printed fill 59"/)
    const note = await pm2.logged(/.*Skipping older log lines.*/)
    const { skippedBytes } = JSON.parse(note) as { skippedBytes: number }
    const tail = written.length - skippedBytes
    assert.ok(tail > 240 * 1024 && tail <= 256 * 1024, `${tail} bytes are shown`)
    const shown = linesOf(pm2.log()).filter((line) => /"role":"(primary|worker)"/.test(line))
    assert.deepEqual(
      shown.slice(0, linesOf(written.slice(skippedBytes)).length),
      linesOf(written.slice(skippedBytes)),
    )
    assert.doesNotMatch(pm2.log(), /"msg":"printed fill 0"/)
  })
})
