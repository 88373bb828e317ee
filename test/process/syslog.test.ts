import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import { Rsyslog } from '../helpers/rsyslog.ts'
import { startService } from '../helpers/service.ts'
import { upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Logs in its worker. */
const telling = `export default {
  async handle(connection, { log }) {
    log.error((await connection.readLine()).toString().trim())
    await connection.write('told')
  },
}`
const told = { app: telling, allow: [/"msg":"(one|two|three|[0-9]+)"/] }

const targets = {
  'a socket of this host': ({ socket }: Rsyslog) => [`unix://${socket}`, 0],
  UDP: ({ port }: Rsyslog) => [`udp://127.0.0.1:${port}`, 1],
  TCP: ({ port }: Rsyslog) => [`tcp://127.0.0.1:${port}`, 1],
} as const

describe('syslog', { concurrency: 2 }, () => {
  for (const [what, targetOf] of Object.entries(targets)) {
    test(`gets every line over ${what}: the primary's, the workers', the last`, async (t) => {
      const rsyslog = await Rsyslog.start(t)
      const [syslog, version] = targetOf(rsyslog)
      const service = await startService(t, { ...told, config: { log: { syslog } } })
      await ask(service.port, 'one\r\n')
      await service.stop()
      const from = (severity: string) =>
        `^local0\\.${severity} helloserver ${service.pid} ${version} +`
      const received = (pattern: string) =>
        waitFor(pattern, () => new RegExp(pattern, 'm').exec(rsyslog.received)?.[0])
      await received(`${from('info')}Serving on 127.0.0.1:.*"kind":"started"`)
      await received(`${from('err')}one .*"role":"worker".*"workerPid":\\d+`)
      await received(`${from('info')}Ended `)
      assert.doesNotMatch(service.log(), /Cannot send log lines to syslog/)
    })
  }

  test('that is not there costs the service a line in its log, and gets lines when it is', async (t) => {
    const rsyslog = await Rsyslog.start(t)
    await rsyslog.stop()
    const syslog = `tcp://127.0.0.1:${rsyslog.port}`
    const service = await startService(t, { ...told, config: { log: { syslog } } })
    await service.sandbox.logged(
      /"level":"warn".*"reason":".*failed to connect.*Cannot send log lines to syslog/,
    )
    await ask(service.port, 'one\r\n')
    await rsyslog.run()
    let count = 0
    await waitFor('a line', async () => {
      count += 1
      await ask(service.port, `${count}\r\n`)
      return rsyslog.received !== ''
    })
    assert.equal(service.log().match(/Cannot send log lines to syslog/g)?.length, 1)
    await service.stop()
  })

  test('is what a reload says, and goes on over an upgrade', async (t) => {
    const rsyslog = await Rsyslog.start(t)
    const service = await startService(t, told)
    await ask(service.port, 'one\r\n')
    const syslog = `unix://${rsyslog.socket}`
    service.sandbox.configure({ log: { syslog } })
    await reload(service)
    await ask(service.port, 'two\r\n')
    await waitFor('the line', () => / two /.test(rsyslog.received))
    const { pid } = await upgrade(service)
    await ask(service.port, 'three\r\n')
    await waitFor('the next', () =>
      new RegExp(`local0.err helloserver ${pid} 0 +three `).test(rsyslog.received),
    )
    assert.doesNotMatch(rsyslog.received, / one /)
  })

  test('is refused by name where it is none', async (t) => {
    const service = await startService(t)
    service.sandbox.configure({ log: { syslog: 'http://x:1' } })
    const { status, stdout } = await service.cli('check', '--json')
    assert.equal(status, 78)
    assert.match(stdout, /log\.syslog is .*; it must be .*udp:/)
  })
})
