import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { describe, type TestContext, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload, scale } from '../helpers/commands.ts'
import { isAlive } from '../helpers/processes.ts'
import { resultOf, Sandbox } from '../helpers/sandbox.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { serviceAt, statusIn } from '../helpers/service-in.ts'
import { held } from '../helpers/upgrade.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** The keys of `status --json` in the contract, sorted, with those of its parts. */
const statusKeys = {
  '': 'acceptor build certificates connections drain endpoints events fleet generation handOff handOffReason lastReload lease listen name pid queue rates rssBytes state supervisor uptimeMs version waiting workers',
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

/** Besides no command at all. */
const usageErrors = [
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

/** Runs the command line again and again in one process, and tells the exit status of each. */
const eachOfThem = `
const statuses = []
for (const [index, args] of JSON.parse(process.argv[2]).entries()) {
  process.argv.splice(2, Infinity, ...args)
  process.exitCode = undefined
  const { runCommand } = await import(process.argv[1] + '?' + index)
  await runCommand()
  statuses.push(process.exitCode)
  process.stderr.write('\\n\\0')
}
process.exitCode = 0
process.stdout.write(JSON.stringify(statuses))
`
const commandLine = new URL('../../src/bin/command-line.js', import.meta.url)

async function hasKeys(service: Service): Promise<void> {
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
  assert.ok(workers.length >= 1)
  assert.deepEqual(
    [shown['name'], shown['state'], shown['pid'], shown['generation']],
    ['helloserver', 'serving', service.pid, 2],
  )
}

async function isShown(service: Service): Promise<void> {
  const holder = await held(service)
  const { status, stdout } = await service.cli('status')
  assert.equal(status, 0)
  assert.match(stdout, new RegExp(`^listen +127\\.0\\.0\\.1:${service.port}$`, 'm'))
  assert.match(stdout, new RegExp(`^process +${service.pid}, without pm2$`, 'm'))
  assert.match(stdout, /^connections +1 accepted: 0 served, 1 active, 0 queued$/m)
  const [worker] = await workerPids(service)
  const table = (await service.cli('workers')).stdout
  assert.match(table, new RegExp(`^ +1 +${worker} +busy .*${holder.address}$`, 'm'))
  await holder.send('a\r\n')
  await holder.ending()
}

async function scales(service: Service): Promise<void> {
  await waitFor('the new worker alone', async () => (await workerPids(service)).length === 1)
  const { accepted, served } = (await counted(service, { active: 0 })).connections
  const first = await held(service)
  await scale(service, 2)
  assert.equal((await workerPids(service)).length, 2)
  assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  const holders = [first, await Client.connect(service.port)]
  await counted(service, { active: 2 })
  const { status, stdout } = await service.cli('scale', '1', '--json')
  assert.deepEqual([status, JSON.parse(stdout)], [0, { workers: 1 }])
  for (const holder of holders) await holder.send('held\r\n')
  for (const holder of holders) assert.equal((await holder.ending()).text, 'held\r\n')
  await waitFor('one worker', async () => (await workerPids(service)).length === 1)
  await counted(service, { accepted: accepted + 3, served: served + 3 })
}

/** A stop that waits for the end, a restart of what does not run, one of what does, and a stop that is quick. */
async function stopsAndRestarts(t: TestContext, service: Service): Promise<void> {
  const restart = async () => {
    const { status, stdout } = await service.cli('restart', '--json')
    assert.equal(status, 0)
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { pid: number }
  }
  await t.test('stop waits for the end', async () => {
    const holder = await held(service)
    const stopping = service.cli('stop', '--json')
    await waitFor('the drain', async () => (await service.status()).state === 'draining')
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
    const { status, stdout } = await stopping
    assert.deepEqual([status, JSON.parse(stdout)], [0, { dropped: 0 }])
    await service.sandbox.assertNothingLeft()
  })
  await t.test(
    'restart starts what does not run, and replaces the primary of what does',
    async () => {
      const first = await restart()
      assert.equal((await service.status()).state, 'serving')
      service.sandbox.configure({
        listen: [{ address: '127.0.0.1:0', tls: { cert: 'c', key: 'k' } }],
      })
      const refused = await service.cli('restart')
      assert.equal(refused.status, 78)
      assert.match(refused.stderr, /Cannot read listen\.0\.tls\.cert .*: it does not exist/)
      assert.equal((await service.status()).pid, first.pid)
      service.sandbox.configure()
      const second = await restart()
      assert.notEqual(second.pid, first.pid)
      assert.equal(isAlive(first.pid), false)
      assert.equal((await service.status()).state, 'serving')
    },
  )
  await t.test('a stop that is quick says no more than that', async () => {
    const { status, stdout, stderr } = await service.cli('stop')
    assert.deepEqual([status, stdout, stderr], [0, 'helloserver stopped\n', ''])
  })
}

describe('the command line', { concurrency: 2 }, () => {
  test('of a service', async (t) => {
    const service = await startService(t)
    await t.test('logs shows the last lines', async () => {
      const { stdout } = await service.cli('logs', '--lines', '1')
      assert.match(stdout, /^\{"level":"info".*"msg":"Serving on [^"]*"\}\n$/)
    })
    await t.test('a daemon outlives the session that started it', async () => {
      const [, , , parent, , session] = await statOf(service.pid)
      assert.notEqual(Number(parent), process.pid)
      assert.notEqual(session, (await statOf(process.pid))[5])
    })
    await t.test('people are shown its status and its workers', () => isShown(service))
    await t.test('status and workers have the keys of the contract', () => hasKeys(service))
    await t.test('scale grows and shrinks, and loses nothing', () => scales(service))
    await stopsAndRestarts(t, service)
  })

  test('no command at all is a usage error', async (t) => {
    const { status, stdout, stderr } = await new Sandbox(t).cli()
    assert.deepEqual([status, stdout], [2, ''])
    assert.notEqual(stderr, '')
  })

  test('so is what it does not understand', async (t) => {
    const { environment } = new Sandbox(t)
    const args = ['--input-type=module', '-e', eachOfThem, '--', commandLine.href]
    const child = spawn(process.execPath, [...args, JSON.stringify(usageErrors)], {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { status, stdout, stderr } = await within('the usage errors', resultOf(child))
    assert.deepEqual([status, stdout], [0, JSON.stringify(usageErrors.map(() => 2))], stderr)
    const told = stderr.split('\0').slice(0, -1)
    for (const [index, usage] of usageErrors.entries()) {
      assert.match(told[index] ?? '', /^error: /, usage.join(' '))
    }
  })

  test('when nothing runs, a command says so', async (t) => {
    const sandbox = new Sandbox(t)
    // "reload" and "scale" ask as "stop" does, and "workers" as "status".
    for (const command of ['stop', 'logs']) {
      const { status, stdout, stderr } = await sandbox.cli(command)
      assert.deepEqual([status, stdout], [3, ''], command)
      assert.match(stderr, /^helloserver: [^\n]+\n$/)
    }
    const { status, stdout } = await sandbox.cli('status', '--json')
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

  test('check says whether a start would succeed, and serves nothing', async (t) => {
    const sandbox = new Sandbox(t)
    assert.equal(
      JSON.parse((await sandbox.cli('check', '--json')).stdout).listen[0].endpoint.host,
      '127.0.0.1',
    )
    sandbox.configure({ workers: 0 })
    assert.equal((await sandbox.cli('check')).status, 78)
    sandbox.configure()
    sandbox.writeApp('throw new Error("no database")')
    const bad = await sandbox.cli('check')
    assert.equal(bad.status, 1)
    assert.match(bad.stderr, /^helloserver: .*no database[^\n]*\n$/)
    await sandbox.assertNothingLeft()
  })

  test('in the foreground an output that takes nothing does not end it; the first Ctrl-C drains', async (t) => {
    const sandbox = new Sandbox(t)
    const full = openSync('/dev/full', 'w')
    const child = sandbox.spawn(['run'], { stdio: ['ignore', full, full] })
    const { pid, listen } = await waitFor('a service that serves', async () => {
      const status = await statusIn(sandbox).catch(() => undefined)
      return status?.state === 'serving' ? status : undefined
    })
    const service = serviceAt(sandbox, pid, listen.port)
    assert.equal((await ask(listen.port, 'a\r\n')).text, 'a\r\n')
    child.kill('SIGHUP')
    await waitFor('a reload', async () => (await service.status()).generation === 2)
    const holder = await held(service)
    const ended = resultOf(child)
    child.kill('SIGINT')
    await waitFor('the drain', async () => (await service.status()).state === 'draining')
    await holder.send('b\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'b\r\n' })
    assert.equal((await within('the end', ended)).status, 0)
  })
})

/** The fields of proc_pid_stat(5); the command's name, which may hold spaces, is dropped to one field. */
async function statOf(pid: number): Promise<string[]> {
  const { readFile } = await import('node:fs/promises')
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
  return ['', String(pid), ...stat.slice(stat.lastIndexOf(')') + 2).split(' ')]
}
