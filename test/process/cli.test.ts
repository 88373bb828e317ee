import assert from 'node:assert/strict'
import { openSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload, stop } from '../helpers/commands.ts'
import { isAlive } from '../helpers/processes.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import { counted, runService, startIn, startService, workerPids } from '../helpers/service.ts'
import { statusIn } from '../helpers/service-in.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** The keys of `status --json` in the contract, sorted, with those of its parts. */
const statusKeys = {
  '': 'build connections drain events fleet generation lastReload lease listen name pid queue rates rssBytes state supervisor uptimeMs version waiting workers',
  connections: 'accepted active expired failed gone queued served shed',
  listen: 'host port',
  queue: 'length max oldestMs',
  supervisor: 'attached pid',
}
const workerKeys = 'busyMs generation pid remote rssBytes served slot state'
const reloadKeys = 'at durationMs outcome reason'

const keysOf = (value: unknown) =>
  Object.keys(value as object)
    .toSorted()
    .join(' ')

const usageErrors = [
  [],
  ['no-such-command'],
  ['status', '--no-such-option'],
  ['status', 'unwanted'],
  ['scale'],
  ['scale', '0'],
  ['scale', 'many'],
  ['scale', '1025'],
  ['logs', '--lines', '-1'],
  ['top', '--interval', '0'],
  ['top', '--interval', 'soon'],
]

describe('the command line', { concurrency: 2 }, () => {
  test('status and workers have the keys of the contract', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    await reload(service)
    const { status, stdout } = await service.cli('status', '--json')
    assert.equal(status, 0)
    const shown = JSON.parse(stdout) as Record<string, unknown>
    for (const [part, keys] of Object.entries(statusKeys)) {
      assert.equal(keysOf(part === '' ? shown : shown[part]), keys, part)
    }
    assert.equal(keysOf(shown['lastReload']), reloadKeys)
    const workers = JSON.parse((await service.cli('workers', '--json')).stdout) as unknown[]
    for (const worker of workers) assert.equal(keysOf(worker), workerKeys)
    assert.ok(workers.length >= 2)
    assert.deepEqual(
      [shown['name'], shown['state'], shown['pid'], shown['generation']],
      ['helloserver', 'serving', service.pid, 2],
    )
  })

  test('people are shown the same', async (t) => {
    const service = await startService(t)
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    const { stdout } = await service.cli('status')
    assert.match(stdout, new RegExp(`^listen +127\\.0\\.0\\.1:${service.port}$`, 'm'))
    assert.match(stdout, new RegExp(`^process +${service.pid}, without pm2$`, 'm'))
    assert.match(stdout, /^connections +1 accepted: 0 served, 1 in hand, 0 queued$/m)
    const [worker] = await workerPids(service)
    const table = (await service.cli('workers')).stdout
    assert.match(table, new RegExp(`^ +1 +${worker} +busy .*${holder.address}$`, 'm'))
  })

  for (const args of usageErrors) {
    test(`"${args.join(' ')}" is a usage error`, async (t) => {
      const { status, stdout, stderr } = await new Sandbox(t).cli(...args)
      assert.deepEqual([status, stdout], [2, ''])
      assert.notEqual(stderr, '')
    })
  }

  for (const args of [['stop'], ['reload'], ['status'], ['workers'], ['scale', '2'], ['logs']]) {
    test(`"${args.join(' ')}" says when nothing runs`, async (t) => {
      const sandbox = new Sandbox(t)
      const { status, stdout, stderr } = await sandbox.cli(...args)
      assert.deepEqual([status, stdout], [3, ''])
      assert.match(stderr, /^helloserver: [^\n]+\n$/)
    })
  }

  test('and says it to programs, too', async (t) => {
    const { status, stdout } = await new Sandbox(t).cli('status', '--json')
    assert.equal(status, 3)
    assert.equal(JSON.parse(stdout).error.code, 'NOT_RUNNING')
  })

  test('help and version are no errors', async (t) => {
    const sandbox = new Sandbox(t)
    const help = await sandbox.cli('--help')
    assert.equal(help.status, 0)
    for (const command of ['run', 'start', 'stop', 'reload', 'restart', 'status', 'workers']) {
      assert.match(help.stdout, new RegExp(`^ +${command} `, 'm'))
    }
    assert.match((await sandbox.cli('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
  })

  test('stop waits for the end', async (t) => {
    const service = await startService(t)
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    const stopping = service.cli('stop', '--json')
    await waitFor('the drain', async () => (await service.status()).state === 'draining')
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
    const { status, stdout } = await stopping
    assert.deepEqual([status, JSON.parse(stdout)], [0, { dropped: 0 }])
    await service.sandbox.assertNothingLeft()
  })

  test('restart replaces the primary, and starts what does not run', async (t) => {
    const service = await startService(t)
    const { status, stdout } = await service.cli('restart', '--json')
    assert.equal(status, 0)
    const { pid } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { pid: number }
    assert.notEqual(pid, service.pid)
    assert.equal(isAlive(service.pid), false)
    await stop(service)
    assert.equal((await service.cli('restart')).status, 0)
    assert.equal((await service.status()).state, 'serving')
  })

  test('scale grows and shrinks, and loses nothing', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    const holders = await Promise.all([1, 2].map(() => Client.connect(service.port)))
    await counted(service, { active: 2 })
    assert.equal((await service.cli('scale', '3')).status, 0)
    assert.equal((await workerPids(service)).length, 3)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    const { status, stdout } = await service.cli('scale', '1', '--json')
    assert.deepEqual([status, JSON.parse(stdout)], [0, { workers: 1 }])
    for (const holder of holders) await holder.send('held\r\n')
    for (const holder of holders) assert.equal((await holder.ending()).text, 'held\r\n')
    await waitFor('one worker', async () => (await workerPids(service)).length === 1)
    await counted(service, { accepted: 3, served: 3 })
  })

  test('check says whether a start would succeed, and serves nothing', async (t) => {
    const sandbox = new Sandbox(t)
    const good = await sandbox.cli('check')
    assert.deepEqual([good.status, good.stderr], [0, ''])
    assert.equal(JSON.parse((await sandbox.cli('check', '--json')).stdout).host, '127.0.0.1')
    sandbox.configure({ workers: 0 })
    assert.equal((await sandbox.cli('check')).status, 78)
    sandbox.configure()
    sandbox.writeApp('throw new Error("no database")')
    const bad = await sandbox.cli('check')
    assert.equal(bad.status, 1)
    assert.match(bad.stderr, /^helloserver: .*no database[^\n]*\n$/)
    await sandbox.assertNothingLeft()
  })

  test('logs shows the last lines, and follows', async (t) => {
    const service = await startService(t)
    const { stdout } = await service.cli('logs', '--lines', '1')
    assert.match(stdout, /^\{"level":"info".*"msg":"Serving on [^"]*"\}\n$/)
    const follower = service.sandbox.spawn(['logs', '-f', '-n', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let followed = ''
    follower.stdout?.on('data', (chunk: Buffer) => {
      followed += chunk.toString()
    })
    await waitFor('what is logged now', () => {
      service.signal('SIGCONT')
      return followed.includes('Caught SIGCONT')
    })
    follower.kill('SIGTERM')
  })

  test('in the foreground the first Ctrl-C drains', async (t) => {
    const { port, child, ended, ...service } = await runService(t)
    const holder = await Client.connect(port)
    await waitFor('the hand-off', async () => (await service.status()).connections.active === 1)
    child.kill('SIGINT')
    await waitFor('the drain', async () => (await service.status()).state === 'draining')
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
    assert.equal((await ended).status, 0)
  })

  test('in the foreground the second Ctrl-C ends at once', async (t) => {
    const { port, child, ended, ...service } = await runService(t)
    const holder = await Client.connect(port)
    await waitFor('the hand-off', async () => (await service.status()).connections.active === 1)
    child.kill('SIGINT')
    await waitFor('the drain', async () => (await service.status()).state === 'draining')
    child.kill('SIGINT')
    assert.equal((await holder.ending()).text, '')
    assert.equal((await within('the end', ended)).status, 0)
  })

  test('an output that takes nothing does not end the service', async (t) => {
    const sandbox = new Sandbox(t)
    const full = openSync('/dev/full', 'w')
    const child = sandbox.spawn(['run'], { stdio: ['ignore', full, full] })
    const { listen } = await waitFor('a service that serves', async () => {
      const status = await statusIn(sandbox).catch(() => undefined)
      return status?.state === 'serving' ? status : undefined
    })
    assert.equal((await ask(listen.port, 'a\r\n')).text, 'a\r\n')
    child.kill('SIGHUP')
    await waitFor('a reload', async () => (await statusIn(sandbox)).generation === 2)
    assert.equal((await ask(listen.port, 'b\r\n')).text, 'b\r\n')
  })

  test('a daemon outlives the session that started it', async (t) => {
    const sandbox = new Sandbox(t)
    const { pid } = await startIn(sandbox)
    assert.equal((await sandbox.cli('status')).status, 0)
    const [, , , parent, , session] = await statOf(pid)
    assert.notEqual(Number(parent), process.pid)
    assert.notEqual(session, (await statOf(process.pid))[5])
  })
})

/** The fields of proc_pid_stat(5); the command's name, which may hold spaces, is dropped to one field. */
async function statOf(pid: number): Promise<string[]> {
  const { readFile } = await import('node:fs/promises')
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
  return ['', String(pid), ...stat.slice(stat.lastIndexOf(')') + 2).split(' ')]
}
