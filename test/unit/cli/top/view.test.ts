import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Canvas, type Scene, view } from '../../../../src/cli/top/view.ts'
import type { Status } from '../../../../src/status.ts'
import { drain, statusWith, worker } from '../../support/status.ts'

const now = new Date('2026-01-01T00:05:00.000Z')
const clock = (at: string) => new Date(at).toTimeString().slice(0, 8)

/** A service that has a lot to tell: twelve workers, four of them busy, and thirty events. */
const full = statusWith({
  workers: Array.from({ length: 12 }, (_, at) =>
    at % 3 === 0
      ? worker(at + 1, { state: 'busy', busyMs: (at + 1) * 1_000, remote: `192.0.2.${at}:50000` })
      : worker(at + 1),
  ),
  queue: { length: 7, max: 100, oldestMs: 3_400 },
  rates: {
    perSecond: 812.4,
    waitMs: { p50: 0.2, p99: 3 },
    handlingMs: { p50: 1.5, p99: 41 },
  },
  lastReload: { at: '2026-01-01T00:02:00.000Z', outcome: 'failed', reason: 'no', durationMs: 9 },
  lease: {
    mode: 'exclusive',
    held: true,
    token: 7,
    slot: 1,
    validForMs: 4_900,
    holder: 'web-1',
    since: '2026-01-01T00:00:00.000Z',
    reason: null,
  },
  events: Array.from({ length: 30 }, (_, at) => ({
    seq: at + 1,
    at: `2026-01-01T00:00:${String(at).padStart(2, '0')}.000Z`,
    kind: 'scaled',
    text: `Scaled to ${at} workers until the next reload`,
  })),
})

const scene = (changes: Partial<Scene> = {}): Scene => ({
  name: 'whois',
  status: full,
  problem: undefined,
  now,
  mode: { kind: 'watching' },
  notice: undefined,
  ...changes,
})

const at = (columns: number, rows: number): Canvas => ({ columns, rows, isColoured: false })

test('the certificate that expires first has a line', () => {
  const certificates = [
    {
      endpoint: '0.0.0.0:4343',
      serverName: null,
      subject: 'CN=x',
      expiresAt: '2026-01-03T00:05:00.000Z',
    },
  ]
  const lines = view(scene({ status: { ...full, certificates } }), at(80, 24))
  assert.ok(lines.includes('tls     0.0.0.0:4343 expires in 2 d, at 2026-01-03T00:05:00.000Z'))
})

test('80 by 24 has all figures, as many workers as fit, and events', () => {
  assert.deepEqual(view(scene(), at(80, 24)), [
    `whois  serving  g4  up 1 min  0.0.0.0:4343  ${clock('2026-01-01T00:05:00.000Z')}  process 100  …`,
    'lease   held, token 7  valid for 4.9 s',
    'rate    812 conn/s  busy 4/12  wait 0.2 ms, p99 3 ms  handling 1.5 ms, p99 41 ms',
    'queue   7 of 100, oldest 3 s  memory 670 MB',
    'total   0 served  0 failed  0 shed  0 expired  0 gone  0 accepted',
    'reload  failed 3 min ago: no',
    '',
    'worker  state   for  client           served  memory  pid  generation',
    '    10  busy   10 s  192.0.2.9:50000       0   50 MB  110           4',
    '     7  busy    7 s  192.0.2.6:50000       0   50 MB  107           4',
    '     4  busy    4 s  192.0.2.3:50000       0   50 MB  104           4',
    '     1  busy    1 s  192.0.2.0:50000       0   50 MB  101           4',
    '     2  idle      -  -                     0   50 MB  102           4',
    '     3  idle      -  -                     0   50 MB  103           4',
    '     5  idle      -  -                     0   50 MB  105           4',
    '     6  idle      -  -                     0   50 MB  106           4',
    '… 4 more workers, 0 busy',
    '',
    ...[25, 26, 27, 28, 29].map(
      (second) =>
        `${clock(`2026-01-01T00:00:${second}.000Z`)}  Scaled to ${second} workers until the next reload`,
    ),
    'q quit  h help  r reload  + - scale',
  ])
})

test('140 by 42 has every worker, and more events', () => {
  const lines = view(scene(), at(140, 42))
  assert.match(lines[0] ?? '', / {2}without pm2 {2}version 1\.2\.3$/)
  assert.equal(lines.filter((line) => /^ +\d+ {2}(busy|idle)/.test(line)).length, 12)
  assert.equal(lines.filter((line) => line.includes('Scaled to')).length, 20)
  assert.ok(!lines.join('\n').includes('…'))
})

test('40 by 10 has what is vital, and says what it leaves out', () => {
  assert.deepEqual(view(scene(), at(40, 10)), [
    'whois  serving  g4  up 1 min  …',
    'lease   held, token 7  valid for 4.9 s',
    'rate    812 conn/s  busy 4/12  …',
    'queue   7 of 100, oldest 3 s  …',
    'worker  state   for  client           s…',
    '    10  busy   10 s  192.0.2.9:50000   …',
    '     7  busy    7 s  192.0.2.6:50000   …',
    '… 10 more workers, 2 busy',
    `${clock('2026-01-01T00:00:29.000Z')}  Scaled to 29 workers until th…`,
    'q quit  h help  r reload  + - scale',
  ])
})

test('where nothing is cut, every worker and some events are there, and no keys', () => {
  const lines = view(scene({ mode: undefined }), at(Infinity, Infinity))
  assert.equal(lines.filter((line) => /^ +\d+ {2}(busy|idle)/.test(line)).length, 12)
  assert.equal(lines.filter((line) => line.includes('Scaled to')).length, 5)
  assert.match(lines.at(-1) ?? '', /Scaled to 29/)
})

describe('current activity comes before everything else', () => {
  for (const [what, changes, expected] of [
    ['nothing is known yet', { status: undefined }, /^whois\n/],
    ['the service is down', { problem: 'Not running (for 5 s)' }, /serving .*\nNot running/],
    ['it never was up', { status: undefined, problem: 'Not running' }, /^whois\nNot running\n/],
    ['a question', { mode: { kind: 'reload' } }, /\nReload\? y to confirm, n to cancel$/],
    ['another', { mode: { kind: 'scale', workers: 5 } }, /\nScale to 5 workers \(now 12\)\? y/],
    ['an outcome', { notice: 'Reloaded in 5 ms' }, /\nReloaded in 5 ms$/],
    ['help', { mode: { kind: 'help' } }, /^r {6}reload: new workers/],
  ] as const) {
    test(what, () => assert.match(view(scene(changes), at(80, 24)).join('\n'), expected))
  }
})

test('a host that stands by says who serves, a service that drains how it gets on', () => {
  const { lease } = full
  assert.ok(lease !== null)
  const other = { ...lease, held: false, token: null, validForMs: null, holder: 'web-2' }
  const shown = (status: Status) => view(scene({ status }), at(80, 24)).join('\n')
  assert.match(
    shown({ ...full, state: 'standby', lease: other }),
    /standby[^]*\nlease {3}held by web-2 {2}since 2026/,
  )
  assert.match(
    shown({ ...full, lease: { ...other, holder: null, reason: 'Redis is gone' } }),
    /\nlease {3}not held: Redis is gone\n/,
  )
  assert.match(
    shown({ ...full, state: 'draining', drain }),
    /\ndrain {3}serving the queue: 2 queued, 1 active, 28 s left {2}SIGUSR1\n/,
  )
})

test('colours change nothing but how it looks', () => {
  const coloured = view(scene(), { ...at(80, 24), isColoured: true })
  assert.ok(coloured[0]?.includes('\x1b[32mserving\x1b[0m'))
  // oxlint-disable-next-line no-control-regex -- the colours
  const bare = coloured.map((line) => line.replaceAll(/\x1b\[\d+m/g, ''))
  assert.deepEqual(bare, view(scene(), at(80, 24)))
})

test('no window is too small, and none is overrun', () => {
  const sizes = fc.record({
    columns: fc.integer({ min: 1, max: 200 }),
    rows: fc.integer({ min: 1, max: 60 }),
    workers: fc.nat(70),
    events: fc.nat(20),
  })
  fc.assert(
    fc.property(sizes, ({ columns, rows, workers, events }) => {
      const status = statusWith({
        workers: Array.from({ length: workers }, (_, slot) => worker(slot)),
        events: full.events.slice(0, events),
      })
      const lines = view(scene({ status }), at(columns, rows))
      assert.equal(lines.length, rows)
      assert.ok(lines.every((line) => line.length <= columns))
      const shown = lines.filter((line) => /^ +\d+ {2}idle/.test(line)).length
      const said = lines.find((line) => line.includes('more worker'))?.match(/\d+/)?.[0] ?? 0
      // Where there is room for them at all.
      if (rows >= 8 && columns >= 80) assert.equal(shown + Number(said), workers)
    }),
  )
})
