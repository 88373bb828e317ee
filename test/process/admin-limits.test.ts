import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, http, page, viewer } from '../helpers/admin.ts'
import { ask, Client } from '../helpers/client.ts'
import { freePort } from '../helpers/free-port.ts'
import { Load } from '../helpers/load.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import { startIn } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

test('the resources that the page uses are bounded', async (t) => {
  const sandbox = new Sandbox(t)
  const port = await freePort()
  sandbox.configure(page(sandbox, port))
  const service = await startIn(sandbox)

  await t.test('the head of the live view ends', async () => {
    const { status, headers, body } = await http(port, '/api/live', { method: 'HEAD' })
    assert.deepEqual([status, body], [200, ''])
    assert.match(headers['content-type'] ?? '', /^text\/event-stream/)
  })

  await t.test('live views', async () => {
    const viewers = await Promise.all(Array.from({ length: 17 }, () => viewer(port)))
    const refused = viewers.filter(({ status }) => status === 503)
    assert.deepEqual([viewers.length, refused.length], [17, 1])
    for (const one of viewers) one.leave()
    await waitFor('room', async () => {
      const one = await viewer(port)
      one.leave()
      return one.status === 200
    })
  })

  await t.test('a connection: one request at a time, and nothing of it stays', async () => {
    const greedy = await Client.connect(port)
    await greedy.send('GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(20))
    await greedy.ending()
    await waitFor('room', async () => {
      const one = await viewer(port)
      one.leave()
      return one.status === 200
    })
  })

  await t.test('a request: its headers, and the time that it takes', async () => {
    const large = { 'x-large': 'x'.repeat(9_000) }
    assert.equal((await http(port, '/readyz', { headers: large })).status, 431)
    const slow = await Client.connect(port)
    await slow.send('GET /readyz HTTP/1.1\r\nHost: localhost\r\n')
    assert.match((await slow.ending()).text, /^HTTP\/1.1 408 /)
    const dribble = await ask(port, 'no HTTP at all\r\n\r\n')
    assert.match(dribble.text, /^HTTP\/1.1 400 /)
  })

  await t.test(
    'connections: those past the limit are closed, and the service goes on',
    async () => {
      const many = await Promise.all(Array.from({ length: 300 }, () => Client.connect(port)))
      await waitFor(
        'the end of some',
        () => many.filter(({ how }) => how !== undefined).length === 44,
      )
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
      for (const client of many) client.reset()
      await waitFor('an answer', async () => {
        const answer = await http(port, '/readyz').catch(() => undefined)
        return answer?.status === 200
      })
    },
  )

  await t.test('requests: too many are told so late, and the service goes on', async () => {
    const load = new Load(service.port, 2)
    const round = () =>
      Promise.all(Array.from({ length: 50 }, () => http(port, '/metrics').catch(() => undefined)))
    const answers: (Answer | undefined)[] = []
    await waitFor('a refusal', async () => {
      answers.push(...(await round()))
      return answers.some((answer) => answer?.status === 429)
    })
    assert.ok(answers.some((answer) => answer?.status === 200))
    const { failures, asked } = await load.stop()
    assert.deepEqual(failures, [])
    assert.ok(asked > 0)
    await waitFor('an answer', async () => (await http(port, '/readyz')).status === 200)
  })
})
