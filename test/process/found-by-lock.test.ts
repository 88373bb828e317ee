import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { describe, test } from 'node:test'
import { Sandbox } from '../helpers/sandbox.ts'
import { startService } from '../helpers/service.ts'

describe('a service that runs', { concurrency: 2 }, () => {
  test('is found by its lock when its other files are gone', async (t) => {
    const service = await startService(t)
    const { sandbox, pid } = service
    // Paused, it puts nothing back.
    service.signal('SIGSTOP')
    try {
      for (const path of [sandbox.socketFile, sandbox.pidFile]) rmSync(path)
      const gone = `helloserver: Running as process ${pid}, but its control socket`
      const answers = await Promise.all(
        ['status', 'stop', 'reload'].map((each) => sandbox.cli(each)),
      )
      for (const { status, stderr } of answers) {
        assert.equal(status, 1)
        assert.ok(stderr.startsWith(`${gone} is gone; waiting for it to come back\n`), stderr)
        assert.match(stderr, /is gone and did not come back within 4000 ms\n$/)
      }
      const { status, stderr } = await sandbox.cli('start')
      assert.deepEqual([status, stderr], [4, `helloserver: Already running as process ${pid}\n`])
    } finally {
      service.signal('SIGKILL')
    }
  })

  test('is named to who asks for another', async (t) => {
    const service = await startService(t)
    const { sandbox } = service
    for (const command of ['status', 'stop', 'reload']) {
      const { status, stderr } = await sandbox.cli(command, '--name', 'another')
      const expected = 'another: Not running; what runs here is helloserver: name it by --name\n'
      assert.deepEqual([status, stderr], [3, expected])
    }
    await service.stop()
    const { stderr } = await sandbox.cli('status', '--name', 'another')
    assert.equal(stderr, 'another: Not running\n')
  })

  test('is named to who wants its port', async (t) => {
    const { sandbox, port, pid } = await startService(t)
    const taken = `Port ${port} is taken by the helloserver service "helloserver" (process ${pid}, run directory ${sandbox.runDir})`
    const other = new Sandbox(t, { config: { port }, allow: [/is taken by the helloserver/] })
    for (const [name, expected] of [
      ['helloserver', 4],
      ['another', 1],
    ] as const) {
      const { status, stderr } = await other.cli('start', '--name', name)
      assert.equal(status, expected)
      assert.ok(stderr.startsWith(`${name}: ${taken}`), stderr)
    }
  })
})
