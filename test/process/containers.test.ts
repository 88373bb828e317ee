import assert from 'node:assert/strict'
import { type ChildProcess, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { Client } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { resultOf, Sandbox } from '../helpers/sandbox.ts'
import { counted } from '../helpers/service.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** Makes what follows the first process of a PID namespace, as a container's is. */
const asFirstProcess = ['unshare', '--pid', '--fork', '--mount-proc']
/** A user who may not do that may in a namespace of users of their own, unless the system forbids it. */
const asAnybody = [...asFirstProcess, '--user', '--map-root-user']

const asNobodyKnown = ['unshare', '--user', '--map-user=54321']

function works([program = '', ...args]: readonly string[]): boolean {
  return spawnSync(program, [...args, 'true'], { stdio: 'ignore' }).status === 0
}

const container = [asFirstProcess, asAnybody].find(works)

/** The process that a wrapper has started. */
function wrapped({ pid = 0 }: ChildProcess): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return Number(children)
}

describe('in a container', { concurrency: 2 }, () => {
  for (const [what, wrapper, skip] of [
    ['a process like any other', [], false],
    ['the first process of a container', container ?? [], container === undefined],
  ] as const) {
    test(`pm2-runtime as ${what}: TERM drains, and it ends after the primary`, {
      skip,
    }, async (t) => {
      const pm2 = new Pm2(t)
      const child = pm2.runtime(t, wrapper)
      const ended = resultOf(child)
      await waitFor('a service that serves', async () => {
        const status = await pm2.status().catch(() => undefined)
        return status?.state === 'serving'
      })
      const service = await pm2.service()
      const client = await Client.connect(service.port)
      await counted(service, { active: 1 })
      process.kill(wrapper.length === 0 ? (child.pid ?? 0) : wrapped(child), 'SIGTERM')
      await pm2.sandbox.logged(/"kind":"draining"/)
      await client.send('a\r\n')
      assert.deepEqual(await client.ending(), { how: 'end', text: 'a\r\n' })
      const { status, stdout } = await within('the end of pm2-runtime', ended)
      assert.equal(status, 0)
      // All that the primary said to its end was shown: it was not killed along with its container.
      assert.match(stdout, /"msg":"Ended"/)
    })
  }

  test('a user without an entry in /etc/passwd', { skip: !works(asNobodyKnown) }, async (t) => {
    const sandbox = new Sandbox(t)
    const asThem = (command: string) => {
      const child = sandbox.spawnThrough(asNobodyKnown, [command], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      return within(command, resultOf(child))
    }
    assert.deepEqual((await asThem('start')).stderr, '')
    assert.equal((await asThem('stop')).stdout, 'helloserver stopped\n')
  })
})
