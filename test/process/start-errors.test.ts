import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { reload } from '../helpers/commands.ts'
import { noOtherUser } from '../helpers/other-user.ts'
import { type CommandResult, resultOf, Sandbox } from '../helpers/sandbox.ts'
import { startIn, startService } from '../helpers/service.ts'
import { within } from '../helpers/wait-for.ts'

/** Runs a command by way of a shell script, which ends with `exec "$@"`. */
function through(sandbox: Sandbox, script: string, ...args: string[]): Promise<CommandResult> {
  const wrapper = ['unshare', '--mount', 'sh', '-ec', script, 'sh']
  const child = sandbox.spawnThrough(wrapper, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  return within(`helloserver ${args.join(' ')}`, resultOf(child))
}

/** Nobody's user, who has no rights but those that everybody has. */
const asNobody = 'exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'

const isRoot = process.getuid?.() === 0

describe('a start that fails', { concurrency: 2, skip: !isRoot && 'needs root' }, () => {
  for (const [what, options, told] of [
    [
      'no block is free',
      'size=4k',
      /Cannot write the lock file \S+\.lock: no space is left .*\(ENOSPC\)/,
    ],
    [
      'no name is free',
      'nr_inodes=1',
      /Cannot open the log \S+\.log: no space is left .*\(ENOSPC\)/,
    ],
    [
      'nothing can be written',
      'ro',
      /Cannot use the run directory \S+: the file system is read-only.*\(EROFS\)/,
    ],
  ] as const) {
    test(`names the file where ${what}`, async (t) => {
      const sandbox = new Sandbox(t)
      const { runDir } = sandbox
      const fill = options === 'size=4k' ? `head -c 4096 /dev/zero > ${runDir}/full;` : ''
      const script = `mount -t tmpfs -o mode=700,${options} tmpfs ${runDir}; ${fill} exec "$@"`
      const { status, stderr } = await through(sandbox, script, 'start')
      assert.notEqual(status, 0)
      assert.match(stderr, told)
      assert.equal(stderr.trimEnd().split('\n').length, 1)
    })
  }

  test('names what is in the way of a path', async (t) => {
    const sandbox = new Sandbox(t, { allow: [/The start failed/] })
    const file = join(sandbox.runDir, 'file')
    writeFileSync(file, '')
    for (const [variable, value, told] of [
      [
        'HELLOSERVER_RUN_DIR',
        join(file, 'run'),
        /Cannot use the run directory \S+: a part of the path is not a directory \(ENOTDIR\)/,
      ],
      [
        'HELLOSERVER_CONFIG',
        sandbox.runDir,
        /Cannot read the configuration file \S+: it is a directory.*\(EISDIR\)/,
      ],
      [
        'HELLOSERVER_CONFIG',
        join(file, 'a.json'),
        /Cannot read the configuration file \S+: a part of the path is not a directory \(ENOTDIR\)/,
      ],
    ] as const) {
      const script = `export ${variable}=${value}; exec "$@"`
      const { status, stderr } = await through(sandbox, script, 'start')
      assert.equal(status, 78, stderr)
      assert.match(stderr, told)
    }
  })

  test('says that another user may not', { skip: noOtherUser() }, async (t) => {
    const { sandbox } = await startService(t)
    const start = await through(sandbox, asNobody, 'start')
    assert.equal(start.status, 78)
    assert.match(start.stderr, /run directory/)
    const logs = await through(sandbox, asNobody, 'logs')
    assert.equal(logs.status === 0 || logs.status === 3, false, logs.stderr)
    assert.match(logs.stderr, /EACCES|belongs to user 0/)
    assert.doesNotMatch(logs.stderr, /has not run/)
  })

  test('says which limit to raise', async (t) => {
    const sandbox = new Sandbox(t)
    for (const command of ['start', 'run']) {
      const script = 'ulimit -n 64; exec "$@"'
      const { status, stderr, stdout } = await through(sandbox, script, command)
      assert.deepEqual([status, stdout], [78, ''])
      assert.match(stderr, /^helloserver: The limit of open files is 64, .* raise "ulimit -n".*\n$/)
    }
  })
})

describe('warnings of a start about its environment', { concurrency: 2 }, () => {
  test('a variable that nobody knows, once, and the one that may be meant', async (t) => {
    const environment = { HELLOSERVER_PROT: '1', HELLOSERVER_WORKERS: '2' }
    const sandbox = new Sandbox(t, { environment })
    const line = 'HELLOSERVER_PROT is not a variable of helloserver; did you mean HELLOSERVER_PORT?'
    for (const command of ['check', 'status']) {
      const { stderr } = await sandbox.cli(command)
      assert.equal(stderr.split(line).length, 2, stderr)
    }
    const service = await startIn(sandbox)
    assert.match(service.log(), new RegExp(`"level":"warn".*${line.replace('?', '\\?')}`))
  })

  test('a variable that overrides the file, in the log and by check, and when a reload changes it', async (t) => {
    const sandbox = new Sandbox(t, { environment: { HELLOSERVER_WORKERS: '2' } })
    const line = `HELLOSERVER_WORKERS=2 overrides workers 1 of ${sandbox.configFile}`
    assert.ok((await sandbox.cli('check')).stderr.includes(line))
    const service = await startIn(sandbox)
    assert.ok(service.log().includes(line))
    sandbox.configure({ workers: 3 })
    await reload(service)
    await sandbox.logged(/HELLOSERVER_WORKERS=2 overrides workers 3 of /)
    await reload(service)
    assert.equal(service.log().split('overrides workers 3').length, 2)
  })

  test('an address with brackets is taken and shown', async (t) => {
    const service = await startService(t, { environment: { HELLOSERVER_HOST: '[::1]' } })
    const { listen } = await service.status()
    assert.equal(listen.host, '::1')
    const text = `[::1]:${listen.port}`
    assert.ok((await service.cli('status')).stdout.includes(text))
    assert.ok(service.log().includes(`Serving on ${text} with`))
  })

  test('a debugger that was asked for, and one that would be waited for', async (t) => {
    const sandbox = new Sandbox(t, {
      environment: { NODE_OPTIONS: '--inspect=0' },
      allow: [/ebugg/, /For help, see: /, /--trace-warnings/],
    })
    const service = await startIn(sandbox)
    assert.match(
      service.log(),
      /"level":"warn".*A debugger listens on 127\.0\.0\.1:\d+, through which/,
    )
  })
})
