import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { asUser, noOtherUser } from '../helpers/other-user.ts'
import { cliModule, resultOf } from '../helpers/sandbox.ts'
import { within } from '../helpers/wait-for.ts'

const stranger = 54_321
/** A user whom nobody else's test plays. */
const victim = 100_000 + process.pid
const runDir = `/tmp/helloserver-${victim}`
const bridge = fileURLToPath(new URL('../../src/bin/bridge.cjs', import.meta.url))
const skip = noOtherUser()

/** Listens where the victim's service would, and prints all that it is told. */
const eavesdropper = `
  require('net')
    .createServer((socket) => socket.on('data', (data) => console.log(String(data))))
    .listen('${join(runDir, 'helloserver.sock')}', () => console.log('listening'))`

function asVictim(program: string, args: string[], environment: NodeJS.ProcessEnv = {}) {
  const [setpriv, ...identity] = asUser(victim)
  const env = { PATH: process.env['PATH'], HELLOSERVER_REDIS_URL: 'redis://:secret@127.0.0.1:1' }
  const child = spawn(setpriv, [...identity, process.execPath, program, ...args], {
    env: { ...env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return within(`${program} ${args.join(' ')}`, resultOf(child))
}

describe("a stranger's directory where the user's own would be", { skip, concurrency: 2 }, () => {
  let spy: ChildProcess
  let heard = ''

  before(async () => {
    mkdirSync(runDir, { mode: 0o755 })
    chownSync(runDir, stranger, stranger)
    const [setpriv, ...identity] = asUser(stranger)
    const args = [...identity, process.execPath, '-e', `process.umask(0)\n${eavesdropper}`]
    const child = spawn(setpriv, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.on('data', (chunk: Buffer) => {
      heard += chunk.toString()
    })
    spy = child
    await once(child.stdout, 'data')
  })

  after(() => {
    spy.kill('SIGKILL')
    rmSync(runDir, { recursive: true, force: true })
  })

  const refusal = new RegExp(
    `The run directory "${runDir}" belongs to user ${stranger}, not to ${victim}; set HELLOSERVER_RUN_DIR`,
  )

  for (const command of ['status', 'stop', 'reload', 'start', 'run', 'logs', 'top --once']) {
    test(`"${command}" keeps away from it, and says what to do`, async () => {
      const { status, stderr } = await asVictim(cliModule, command.split(' '))
      assert.equal(status, 78)
      assert.match(stderr, refusal)
      assert.equal(heard, 'listening\n')
    })
  }

  test('the bridge does, too: it would send its environment', async () => {
    const underPm2 = { name: 'helloserver', pm_id: '0', wait_ready: 'true' }
    const { status, stdout } = await asVictim(bridge, [], underPm2)
    assert.equal(status, 78)
    assert.match(stdout.replaceAll('\\"', '"'), refusal)
    assert.equal(heard, 'listening\n')
    assert.equal(existsSync(join(runDir, 'helloserver.log')), false)
  })
})
