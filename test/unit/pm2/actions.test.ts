import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HelloserverError } from '../../../src/errors.ts'
import { type Ask, actions, answer } from '../../../src/pm2/actions.ts'
import { Clock } from '../support/clock.ts'
import { statusWith } from '../support/status.ts'

const never = () => new Promise<never>(() => {})

/** A service that answers every request with the same, and notes what it was asked. */
function service(reply: () => Promise<object>) {
  const asked: [string, object][] = []
  const ask = ((method: string, params: object) => {
    asked.push([method, params])
    return reply()
  }) as Ask
  return { asked, ask }
}

const options = (ask: Ask, signal = new AbortController().signal) => ({ name: 'app', ask, signal })
const messageIn = (answered: object) => (answered as { error: { message: string } }).error.message

test('an action asks the service, and answers what that answered', async () => {
  const { asked, ask } = service(async () => ({ fine: true }))
  for (const [name, parameter] of [
    ['reload', {}],
    ['drain', undefined],
    ['scale', '4'],
    ['scale', 5],
    ['log-level', 'debug'],
  ] as const) {
    assert.deepEqual(await answer(name, parameter, options(ask)), { fine: true })
  }
  assert.deepEqual(asked, [
    ['reload', { cause: 'pm2 trigger' }],
    ['stop', {}],
    ['scale', { workers: 4 }],
    ['scale', { workers: 5 }],
    ['log-level', { level: 'debug' }],
  ])
})

test('status and workers share what the service says of itself', async () => {
  const status = statusWith()
  const { ask } = service(async () => status)
  const { workers, events: _, ...rest } = status
  assert.deepEqual(await answer('status', {}, options(ask)), rest)
  assert.deepEqual(await answer('workers', {}, options(ask)), workers)
})

for (const [name, parameter, message] of [
  [
    'scale',
    {},
    'scale takes a number from 1 to 1024, but got nothing; for example: pm2 trigger app scale 4',
  ],
  ['scale', '0', /a number from 1 to 1024, but got "0"/],
  ['scale', '1.5', /but got "1.5"/],
  ['scale', '1e3', /but got "1e3"/],
  ['scale', '0x10', /but got "0x10"/],
  ['scale', 'many', /but got "many"/],
  ['scale', { workers: 2 }, /but got "{"workers":2}"/],
  ['log-level', 'loud', /one of trace, debug, .*, but got "loud".*app log-level debug$/],
  ['status', 'now', 'status takes no parameter, but got "now"'],
] as const) {
  test(`${name} with ${JSON.stringify(parameter)} is answered with its usage`, async () => {
    const { asked, ask } = service(async () => ({}))
    const answered = await answer(name, parameter, options(ask))
    if (typeof message === 'string') assert.equal(messageIn(answered), message)
    else assert.match(messageIn(answered), message)
    assert.match(JSON.stringify(answered), /"code":"BAD_USAGE"/)
    assert.deepEqual(asked, [])
  })
}

test('a failure is an answer', async () => {
  const refusing = service(() => Promise.reject(new HelloserverError('HANDED_OVER', 'not me')))
  assert.deepEqual(await answer('reload', {}, options(refusing.ask)), {
    error: { code: 'HANDED_OVER', message: 'not me' },
  })
})

test('every action is answered in time by a service that is not', async (t) => {
  const clock = new Clock(t)
  const { ask } = service(never)
  for (const [name, { parameter, withinMs }] of Object.entries(actions)) {
    const answered = answer(name, parameter?.example ?? {}, options(ask))
    clock.advance(withinMs)
    assert.match(messageIn(await answered), /^No answer within 5 s|^Still under way after 40 s/)
  }
})

test('a process that pm2 replaces answers what it was asked, and is asked', async () => {
  const { ask } = service(never)
  const over = new AbortController()
  const answered = answer('status', {}, options(ask, over.signal))
  over.abort()
  for (const late of [answered, answer('status', {}, options(ask, over.signal))]) {
    assert.match(messageIn(await late), /^pm2 is replacing this process/)
  }
})
