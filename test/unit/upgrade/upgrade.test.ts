import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { Service } from '../../../src/service/service.ts'
import { Upgrade } from '../../../src/upgrade/upgrade.ts'
import { type FromSuccessor, upgradeProtocol } from '../../../src/upgrade/upgrade-messages.ts'
import { keptLog } from '../support/kept-log.ts'
import { tempFolder } from '../support/temp-folder.ts'

type Answer = FromSuccessor['kind']

/** A successor's answer to each message that asks for one. */
const good = { begin: 'prepared', 'no-listener': 'holding', go: 'serving' } as const

/** A real process in the place of a successor, which answers as told; by `failed`, it gives a reason. */
function programIn(folder: string, answers: Readonly<Record<string, Answer>>): string {
  const path = join(folder, 'successor.mjs')
  const program = `const answers = ${JSON.stringify(answers)}
process.on('message', ({ kind }) => {
  const answer = answers[kind]
  if (answer !== undefined) process.send({ kind: answer, message: 'out of order' })
})
process.send({ kind: 'hello', protocol: ${upgradeProtocol}, version: 'test' })`
  writeFileSync(path, program)
  return path
}

/** An upgrade of a service that writes down what is done to it. */
function recordedUpgrade(t: TestContext, initial: 'serving' | 'standby') {
  const folder = tempFolder(t)
  const done: string[] = []
  let state: string = initial
  const act = (what: string) => () => void done.push(what)
  const isRunning = () => state === 'serving' || state === 'standby'
  const end = () => {
    state = 'draining'
  }
  const lock = { fd: undefined, abstractHandle: undefined, release: act('release the lock') }
  const service = {
    get state() {
      return state
    },
    lifecycle: {
      get isRunning() {
        return isRunning()
      },
      mustRunStill: () => assert.ok(isRunning(), 'it has ended'),
      move: () => {
        end()
        done.push('drain')
        void upgrade.decided.then(act('decided'))
        setImmediate(act('the next turn'))
      },
    },
    log: keptLog().log,
    files: { name: 'test', logFile: join(folder, 'log') },
    identity: { restartOnly: {} },
    events: { since: () => [] },
    reloads: { isOwed: false },
    stack: { forgetAll: act('forget the resources') },
    fleet: { stop: act('stop in the fleet') },
    admin: { close: act('close the page') },
    recycler: { stop: act('stop recycling') },
    control: { supervisor: { isNextExpected: false }, handOver: act('tell the callers') },
    ending: { after: (finished: Promise<void>) => void finished.then(act('finished')) },
    publicFiles: { lock, yield: act('yield the files'), restore: async () => act('restore')() },
    leadership: {
      lease: { hold: null },
      yield: act('yield the lease'),
      takeBack: act('seek the lease'),
    },
    pool: { lastGeneration: 1, close: async () => act('close the pool')() },
    connections: {
      dispatcher: { lastId: 7, withdraw: () => undefined },
      accounts: { counts: {} },
      stats: { totals: {} },
      listeners: {
        bound: [],
        endpoints: { keyring: new Map() },
        disown: () => {},
        finish: async () => act('close the listeners')(),
      },
    },
  }
  const upgrade = new Upgrade(service as unknown as Service)
  t.after(() => upgrade.signalSuccessor('SIGKILL'))
  const run = (answers: Readonly<Record<string, Answer>>) =>
    upgrade.run(programIn(folder, answers), {}, 5_000)
  return { upgrade, run, done, end }
}

describe('an upgrade', () => {
  test('leaves nothing of the service to this process in the turn in which the successor serves', async (t) => {
    const { run, done } = recordedUpgrade(t, 'serving')
    await run(good)
    while (!done.includes('finished')) await new Promise((next) => setImmediate(next))
    assert.deepEqual(done.slice(0, 2), ['yield the files', 'drain'])
    const inTurn = new Set(done.slice(0, done.indexOf('the next turn')))
    const gone = [
      'yield the lease',
      'stop recycling',
      'close the listeners',
      'release the lock',
      'forget the resources',
      'stop in the fleet',
      'tell the callers',
      'close the page',
      'decided',
    ]
    for (const what of gone) assert.ok(inTurn.has(what), what)
  })

  for (const step of ['begin', 'no-listener', 'go']) {
    test(`whose successor fails at "${step}" puts everything back`, async (t) => {
      const { upgrade, run, done } = recordedUpgrade(t, 'serving')
      await assert.rejects(run({ ...good, [step]: 'failed' }), {
        code: 'RELOAD_FAILED',
        message: 'The successor failed: out of order',
      })
      assert.deepEqual(done, step === 'begin' ? ['restore'] : ['yield the files', 'restore'])
      assert.equal(upgrade.successorPid, undefined)
      await upgrade.decided
    })
  }

  test('of a service on standby keeps it from seeking the lease until the successor has failed', async (t) => {
    const { run, done } = recordedUpgrade(t, 'standby')
    await assert.rejects(run({ ...good, go: 'failed' }))
    const expected = ['yield the files', 'yield the lease', 'seek the lease', 'restore']
    assert.deepEqual(done, expected)
  })

  test('is given up, without blame, when the service ends', async (t) => {
    const { upgrade, run, done, end } = recordedUpgrade(t, 'serving')
    const running = run({})
    end()
    upgrade.cancel()
    await assert.rejects(running, { code: 'STOPPING' })
    await upgrade.cancelled()
    assert.deepEqual(done, [])
  })
})
