import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonicMs } from '../../../src/clock.ts'
import { figuresOf } from '../../zero-loss/figures.ts'
import { type Entry, Ledger } from '../../zero-loss/ledger.ts'
import type { CrowdFigures } from '../../zero-loss/load/crowd.ts'
import type { Outcome, Settled } from '../../zero-loss/load/messages.ts'
import type { WayName } from '../../zero-loss/load/way.ts'

const harmless: Entry = { name: 'harmless', tolerance: {} }
const kill: Entry = { name: 'kill', tolerance: { claimed: 1 } }
const crash: Entry = { name: 'crash', tolerance: { refuses: true, queued: true } }

let lastId = 0

/** A connection that began at one time and ended at another. */
function ended(
  outcome: Outcome,
  fromMs: number,
  toMs: number,
  firstByteMs?: number,
  way: WayName = 'tcp',
): Settled {
  lastId += 1
  return {
    id: lastId,
    kind: 'short',
    way,
    delayMs: 0,
    address: '127.0.0.1:1',
    begunMs: fromMs,
    connectedMs: outcome === 'refused' ? null : fromMs,
    firstByteMs: firstByteMs ?? null,
    endedMs: toMs,
    outcome,
    receivedBytes: 0,
    expectedBytes: 100,
  }
}

/** A ledger with one event that is over; the times are its first and its last moment. */
async function after(event: Entry): Promise<{ ledger: Ledger; fromMs: number; toMs: number }> {
  const ledger = new Ledger()
  const occurrence = ledger.begin(event)
  await delay(2)
  ledger.end(occurrence)
  return { ledger, fromMs: occurrence.fromMs, toMs: occurrence.toMs }
}

describe('the ledger', () => {
  test('excuses no loss in an event that may cost nothing', async () => {
    const { ledger, fromMs, toMs } = await after(harmless)
    ledger.settle(ended('right', fromMs, toMs, toMs))
    ledger.settle(ended('short', fromMs, toMs))
    ledger.settle(ended('refused', fromMs, toMs))
    assert.equal(ledger.violations.length, 2)
  })

  test('excuses one loss for each kill', async () => {
    const { ledger, fromMs, toMs } = await after(kill)
    ledger.settle(ended('reset', fromMs, toMs))
    assert.equal(ledger.violations.length, 0)
    ledger.settle(ended('reset', fromMs, toMs))
    assert.equal(ledger.violations.length, 1)
  })

  test('excuses neither a wrong answer nor one that never ends', async () => {
    const { ledger, fromMs, toMs } = await after(kill)
    ledger.settle(ended('wrong', fromMs, toMs))
    ledger.settle(ended('timeout', fromMs, toMs, fromMs))
    assert.equal(ledger.violations.length, 2)
  })

  test('excuses a loss by the event in which it came, not by one that it also saw', async () => {
    const { ledger, fromMs, toMs } = await after(kill)
    ledger.settle(ended('reset', fromMs, toMs + 1))
    assert.equal(ledger.violations[0]?.overlapped[0]?.event, kill)
  })

  test('excuses what a killed primary had queued, but not what a worker had begun to answer', async () => {
    const { ledger, fromMs, toMs } = await after(crash)
    ledger.settle(ended('refused', fromMs, toMs))
    ledger.settle(ended('reset', fromMs, toMs))
    assert.equal(ledger.violations.length, 0)
    ledger.settle(ended('short', fromMs, toMs, fromMs))
    assert.equal(ledger.violations.length, 1)
  })

  test('excuses nothing between events', async () => {
    const { ledger, toMs } = await after(crash)
    ledger.settle(ended('refused', toMs + 1, toMs + 2))
    assert.equal(ledger.violations.length, 1)
    assert.equal(ledger.between.connections.length, 1)
  })

  test('counts a connection in every event that it saw', async () => {
    const { ledger, fromMs } = await after(kill)
    ledger.end(ledger.begin(harmless))
    ledger.settle(ended('wrong', fromMs, monotonicMs() + 1))
    assert.deepEqual(
      figuresOf(ledger.occurrences).map(({ name, ways, lost }) => [name, ways.tcp.begun, lost]),
      [
        ['kill', 1, 1],
        ['harmless', 0, 1],
      ],
    )
  })

  test('has an account of each way', async () => {
    const { ledger, fromMs, toMs } = await after(kill)
    ledger.settle(ended('right', fromMs, toMs, toMs, 'tls'))
    ledger.settle(ended('short', fromMs, toMs, toMs, 'tls'))
    ledger.settle(ended('right', fromMs, toMs, toMs, 'unix'))
    assert.deepEqual(figuresOf(ledger.occurrences)[0]?.ways, {
      tcp: { begun: 0, lost: 0 },
      tls: { begun: 2, lost: 1 },
      unix: { begun: 1, lost: 0 },
    })
  })

  test('totals what began since it was told to', async () => {
    const { ledger, fromMs, toMs } = await after(crash)
    ledger.countFrom(toMs)
    ledger.settle(ended('right', fromMs, toMs))
    ledger.settle(ended('right', toMs, toMs))
    ledger.settle(ended('refused', toMs, toMs))
    assert.deepEqual(ledger.totals, { connected: 1, right: 1, lost: 0 })
  })
})

describe('a crowd', () => {
  const crowd = { connected: 9, right: 9, cutOff: 0, wrong: 0, refused: 0, stories: [] }
  const one = { ...crowd, right: 8, cutOff: 1 }

  /** A ledger with one event and its crowd. */
  async function afterCrowd(event: Entry, figures: CrowdFigures) {
    const { ledger, fromMs, toMs } = await after(event)
    for (const occurrence of ledger.occurrences) ledger.settleCrowd(occurrence, figures)
    return { ledger, fromMs, toMs }
  }

  test('is counted, and has an account of its own', async () => {
    const { ledger } = await afterCrowd(kill, { ...one, wrong: 1, right: 7 })
    assert.deepEqual(ledger.totals, { connected: 9, right: 7, lost: 2 })
    const [figures] = figuresOf(ledger.occurrences)
    assert.deepEqual([figures?.crowd, figures?.lost], [{ begun: 9, lost: 2 }, 0])
  })

  test('may lose what the event may cost, and nothing else', async () => {
    for (const [event, figures, isExcused] of [
      [harmless, crowd, true],
      [harmless, one, false],
      [kill, one, true],
      [kill, { ...crowd, right: 7, cutOff: 2 }, false],
      [kill, { ...crowd, right: 8, wrong: 1 }, false],
      [crash, { ...crowd, right: 6, cutOff: 3 }, true],
      [crash, { ...crowd, refused: 1 }, false],
    ] as const) {
      const { ledger } = await afterCrowd(event, figures)
      const expected = isExcused ? [] : [{ event, crowd: figures }]
      assert.deepEqual(ledger.crowdViolations, expected)
    }
  })

  test('shares the excuse with the other clients', async () => {
    const first = await afterCrowd(kill, one)
    first.ledger.settle(ended('reset', first.fromMs, first.toMs))
    assert.equal(first.ledger.violations.length, 1)
    const { ledger, fromMs, toMs } = await after(kill)
    ledger.settle(ended('reset', fromMs, toMs))
    for (const occurrence of ledger.occurrences) ledger.settleCrowd(occurrence, one)
    assert.equal(ledger.crowdViolations.length, 1)
  })
})

describe('the longest gap', () => {
  test('is from who got no answer to the first answer of one that began later', async () => {
    const { ledger, fromMs, toMs } = await after(crash)
    const betweenMs = (fromMs + toMs) / 2
    ledger.settle(ended('refused', fromMs, fromMs))
    ledger.settle(ended('refused', betweenMs, betweenMs))
    ledger.settle(ended('right', toMs, fromMs + 90, fromMs + 60))
    const [figures] = figuresOf(ledger.occurrences)
    assert.equal(Math.round(figures?.longestGapMs ?? 0), 60)
  })

  test('ends with an answer on the same way', async () => {
    const { ledger, fromMs, toMs } = await after(crash)
    ledger.settle(ended('refused', fromMs, fromMs, undefined, 'unix'))
    ledger.settle(ended('right', toMs, fromMs + 60, fromMs + 60))
    ledger.settle(ended('right', toMs, fromMs + 90, fromMs + 90, 'unix'))
    const [figures] = figuresOf(ledger.occurrences)
    assert.equal(Math.round(figures?.longestGapMs ?? 0), 90)
  })
})
