import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { resultOf, type Sandbox } from '../helpers/sandbox.ts'
import { type Service, startService } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Logs the number that each client sends. */
const numbering = `export default {
  async handle(connection, { log }) {
    const line = await connection.readLine()
    log.info('number ' + line.toString().trim() + '.')
    await connection.write(line)
  },
}`

/** Each way in which logrotate(8) can take a log away, with what people write for it. */
const ways = ['create 0600', 'nocreate', 'copytruncate', 'create 0600\n  dateext\n  olddir old']

/** Has logrotate rotate the log of a service once. */
function rotate({ runDir, logFile }: Sandbox, way: string): void {
  const folder = dirname(runDir)
  const config = join(folder, 'logrotate.conf')
  mkdirSync(join(runDir, 'old'), { recursive: true, mode: 0o700 })
  writeFileSync(config, `"${logFile}" {\n  rotate 9\n  missingok\n  ${way}\n}\n`, { mode: 0o600 })
  const state = join(folder, `logrotate.state`)
  execFileSync('logrotate', ['--force', '--state', state, config])
}

/** Everything that was logged and is still there. */
function allLogged({ runDir }: Sandbox): string {
  return [runDir, join(runDir, 'old')]
    .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
    .filter((path) => path.includes('helloserver.log') && !path.endsWith('cursor'))
    .map((path) => readFileSync(path, 'utf8'))
    .join('')
}

const timesOf = (text: string, number: number) => text.split(`"msg":"number ${number}."`).length - 1

async function count(service: Service, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number += 1) await ask(service.port, `${number}\r\n`)
}

describe('the log, when others rotate it', { concurrency: 2 }, () => {
  test('has each line once, and is shown by a follower', async (t) => {
    const service = await startService(t, { app: numbering })
    const { sandbox } = service
    const follower = sandbox.spawn(['logs', '--follow'], { stdio: ['ignore', 'pipe', 'pipe'] })
    let shown = ''
    follower.stdout?.setEncoding('utf8').on('data', (text: string) => {
      shown += text
    })
    const ended = resultOf(follower)
    await waitFor('the follower', () => shown.includes('Serving on'))
    for (const [at, way] of ways.entries()) {
      await t.test(way, async () => {
        const first = at * 20
        await count(service, first, first + 10)
        // What logrotate's own copy misses is not the service's to keep.
        if (way === 'copytruncate') {
          await sandbox.logged(new RegExp(`number ${first + 9}\\.`))
          // Nor is a file that nobody looked at before it was cut the follower's to find.
          await waitFor('the follower', () => timesOf(shown, first + 9) > 0)
        }
        rotate(sandbox, way)
        await count(service, first + 10, first + 20)
        await sandbox.logged(/number \d+\.|The log was/)
        const numbers = Array.from({ length: 20 }, (_, index) => first + index)
        await waitFor('the whole log in the follower', () =>
          numbers.every((number) => timesOf(shown, number) > 0),
        )
        for (const text of [shown, allLogged(sandbox)]) {
          assert.deepEqual(
            numbers.filter((number) => timesOf(text, number) !== 1),
            [],
          )
        }
      })
    }
    follower.kill()
    await ended
  })

  test('goes on in the file that was there while something else is in its place', async (t) => {
    const service = await startService(t, { app: numbering, allow: [/"kind":"file-lost"/] })
    const { sandbox } = service
    const away = `${sandbox.logFile}.away`
    renameSync(sandbox.logFile, away)
    symlinkSync(join(sandbox.runDir, 'elsewhere'), sandbox.logFile)
    await waitFor('the reason', () =>
      /The log at .* is a symbolic link/.test(readFileSync(away, 'utf8')),
    )
    await count(service, 1, 3)
    await waitFor('the lines', () => timesOf(readFileSync(away, 'utf8'), 2) === 1)
    assert.equal(existsSync(join(sandbox.runDir, 'elsewhere')), false)
    const { events } = await service.status()
    assert.ok(events.some(({ kind }) => kind === 'file-lost'))
    renameSync(sandbox.logFile, `${sandbox.logFile}.link`)
    service.signal('SIGHUP')
    await sandbox.logged(/The log was missing; continuing/)
  })
})

/** Old enough for a cleaner that goes by when a file was changed. */
const longAgo = new Date('2001-01-01')

test('systemd-tmpfiles leaves the run directory alone', async (t) => {
  const service = await startService(t)
  const { sandbox } = service
  const folder = dirname(sandbox.runDir)
  const stray = join(folder, 'stray')
  writeFileSync(stray, '')
  const files = readdirSync(sandbox.runDir).map((file) => join(sandbox.runDir, file))
  for (const path of [stray, ...files]) utimesSync(path, longAgo, longAgo)
  const config = join(folder, 'tmpfiles.conf')
  writeFileSync(config, `d ${folder} - - - m:10d\n`)
  execFileSync('systemd-tmpfiles', ['--clean', config])
  assert.equal(existsSync(stray), false, 'the cleaner did not clean')
  assert.deepEqual(
    files.filter((path) => !existsSync(path)),
    [],
  )
  assert.equal((await service.status()).pid, service.pid)
})
