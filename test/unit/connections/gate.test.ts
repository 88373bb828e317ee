import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import type { TestContext } from 'node:test'
import { type Acceptor, AcceptRest } from '../../../src/connections/accept-rest.ts'
import { Gate, type GateSocket } from '../../../src/connections/gate.ts'
import { Ledger, ledgerBytes } from '../../../src/connections/ledger.ts'
import { NativeLink } from '../../../src/connections/native-link.ts'
import { PageWriter, pageBytes } from '../../../src/ipc/worker-page.ts'
import { grantSize, pageOffsets } from '../../../src/native/native.ts'
import { Clock } from '../support/clock.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'

/** How often it looks, and to how many workers it opens. */
const lookMs = 5
const width = Math.max(4, 2 * availableParallelism())

/** An acceptor at whose socket `waiting` connections wait. */
class BareAcceptor implements Acceptor {
  waiting = 0
  isListening = false
  onAccept: () => void = () => {}

  listen(isOn: boolean): void {
    this.isListening = isOn
  }

  accept(): number {
    const count = this.waiting
    this.waiting = 0
    for (let each = 0; each < count; each += 1) this.onAccept()
    return count
  }
}

/** A worker's place: what the primary shares with it, and what it finds in its page. */
class Seat {
  readonly link: NativeLink
  readonly writer: PageWriter
  rung = 0
  readonly #view: DataView

  constructor(t: TestContext, ledger: Ledger) {
    const native = nativeModule()
    const counted = {
      ...native,
      ring: (bell: number) => {
        this.rung += 1
        return native.ring(bell)
      },
    }
    this.link = new NativeLink(counted, -1, { fds: [], mark: 'page', ledger })
    const memory = native.mapPage(this.link.fds[0] ?? -1, pageBytes)
    if (typeof memory === 'number') throw new Error(`mapPage: ${memory}`)
    this.writer = new PageWriter(memory)
    this.#view = new DataView(memory)
    t.after(() => this.link.close())
  }

  /** For the how manieth time the gate is open to it; 0: it is not. */
  get gate(): number {
    return this.#view.getUint32(pageOffsets.gate, true)
  }

  get granted(): number {
    return this.#view.getUint32(pageOffsets.granted, true)
  }

  get ids(): number[] {
    return [0, 8].map((at) => this.#view.getFloat64(pageOffsets.grantedIds + at, true))
  }

  get nonce(): number {
    return this.#view.getUint32(pageOffsets.nonce, true)
  }

  get endpoints(): number[] {
    return [0, 2, 4, 6].map((at) => this.#view.getUint16(pageOffsets.endpoints + at, true))
  }
}

const sockets: readonly GateSocket[] = [
  { fd: 1_001, endpoint: 3 },
  { fd: 1_002, endpoint: 7 },
]

/** A gate whose hand-off, backlog and time are the test's. */
function gated(t: TestContext, workers = 1) {
  const clock = new Clock(t)
  const ledger = new Ledger(new ArrayBuffer(ledgerBytes))
  const seats = Array.from({ length: workers }, () => new Seat(t, ledger))
  const serving = new Set(seats)
  const backlogs = new Map(sockets.map(({ fd }) => [fd, 0]))
  let lastId = 0
  const owner = {
    waiting: 0,
    isPermitted: true,
    closed: 0,
    limits: { max: 100, maxWaitMs: 60_000 },
    settled: 0,
    onSettle: () => {},
    workers: {
      get ready() {
        return [...serving].map(({ link }) => link)
      },
    },
    backlog: () => owner.waiting,
    mayHandOut: () => owner.isPermitted,
    settle() {
      owner.settled += 1
      owner.onSettle()
    },
    onClosed() {
      owner.closed += 1
    },
    reserve(count: number) {
      const first = lastId + 1
      lastId += count
      return first
    },
  }
  const rest = new AcceptRest({ isAmple: false, awaitScarcity: () => {} })
  const acceptor = new BareAcceptor()
  rest.add(acceptor)
  const native = { ...nativeModule(), backlogOf: (fd: number) => backlogs.get(fd) ?? -9 }
  const gate = new Gate(native, rest, owner)
  gate.serve(sockets)
  t.after(() => gate.close())
  /** So many connections are taken and end, each handler in so many milliseconds. */
  const work = (count: number, eachMs = 0.1) => {
    for (let at = 0; at < count; at += 1) {
      gate.noteTaken()
      gate.noteEnded(eachMs)
    }
  }
  /** Looks so many times, with the same work before each. */
  const look = (times = 1, count = 20, eachMs = 0.1) => {
    for (let at = 0; at < times; at += 1) {
      work(count, eachMs)
      clock.advance(lookMs)
    }
  }
  const opened = () => {
    gate.turn()
    assert.equal(gate.state, 'open')
  }
  const isOpenTo = () => seats.map((seat) => seat.gate !== 0)
  return {
    clock,
    ledger,
    seats,
    serving,
    backlogs,
    owner,
    acceptor,
    gate,
    work,
    look,
    opened,
    isOpenTo,
  }
}

nativeTest('it turns when at least twenty handlers ended in one beat, and most were short', (t) => {
  const { gate, work, owner } = gated(t)
  work(19)
  gate.consider()
  assert.equal(gate.state, 'closed', 'too few')
  work(1)
  gate.consider()
  assert.equal(gate.state, 'closed', 'those of the last beat do not count')
  work(17, 0.25)
  work(3, 0.26)
  gate.consider()
  assert.equal(gate.state, 'closed', 'too many were long')
  owner.waiting = 21
  work(20)
  gate.consider()
  assert.equal(gate.state, 'closed', 'those that wait here would not be gone soon')
  owner.waiting = 0
  assert.equal(gate.wasOpen, false)
  work(18, 0.25)
  work(2, 500)
  gate.consider()
  assert.equal(gate.state, 'open')
  assert.equal(gate.wasOpen, true)
})

nativeTest('it does not turn without sockets', (t) => {
  const { gate, work, acceptor } = gated(t)
  gate.withdraw()
  work(20)
  gate.consider()
  gate.turn()
  assert.deepEqual([gate.state, acceptor.isListening], ['closed', true])
})

nativeTest('nobody accepts while it turns; it opens once nobody waits', (t) => {
  const { gate, owner, acceptor, isOpenTo, clock } = gated(t)
  owner.waiting = 1
  gate.turn()
  assert.deepEqual([gate.state, acceptor.isListening, isOpenTo()], ['turning', false, [false]])
  gate.check()
  assert.equal(gate.state, 'turning')
  owner.waiting = 0
  gate.check()
  assert.deepEqual([gate.state, acceptor.isListening, isOpenTo()], ['open', false, [true]])

  gate.close()
  owner.waiting = 1
  gate.turn()
  clock.advance(lookMs)
  assert.deepEqual([gate.state, gate.wasOpen], ['turning', true])
  owner.waiting = 0
  clock.advance(lookMs)
  assert.equal(gate.state, 'open', 'a look does it, too')
})

nativeTest('it closes when those who wait do not go soon', (t) => {
  const { gate, owner, acceptor, look } = gated(t)
  owner.waiting = 1
  gate.turn()
  look(10)
  assert.equal(gate.state, 'turning')
  acceptor.waiting = 3
  look()
  assert.deepEqual([gate.state, acceptor.waiting, acceptor.isListening], ['closed', 0, true])
  assert.equal(gate.wasOpen, false)
  gate.turn()
  look(10)
  assert.equal(gate.state, 'turning', 'another time, they have as long')
  owner.waiting = 0
  gate.check()
  look(10, 0)
  assert.equal(gate.state, 'open', 'and then clients have')
})

nativeTest('a worker finds in its page what it may accept, and is woken if it waits', (t) => {
  const { seats, gate, opened } = gated(t, 2)
  const [one, two] = seats
  assert.ok(one !== undefined && two !== undefined)
  const before = one.writer.listeners
  one.writer.toggleWaiting()
  opened()
  assert.deepEqual([one.gate, two.gate], [1, 1])
  assert.deepEqual(one.endpoints, [3, 7, 0, 0])
  assert.deepEqual([one.granted, two.granted], [2 * grantSize, 2 * grantSize])
  assert.deepEqual(one.ids, [1, 1 + grantSize])
  assert.deepEqual(two.ids, [1 + 2 * grantSize, 1 + 3 * grantSize])
  assert.deepEqual([one.nonce, two.nonce], [one.link.grants.nonce, two.link.grants.nonce])
  assert.deepEqual([one.rung, two.rung], [1, 0])
  assert.notEqual(one.writer.listeners, before)
  const named = one.writer.listeners
  gate.close()
  assert.deepEqual([one.gate, two.gate], [0, 0])
  gate.turn()
  assert.deepEqual([one.gate, two.gate], [2, 2], 'it is told from the time before')
  assert.equal(one.granted, 2 * grantSize)
  assert.equal(one.writer.listeners, named)
  gate.serve([{ fd: 1_001, endpoint: 9 }])
  gate.turn()
  assert.notEqual(one.writer.listeners, named, 'and other sockets from those')
  assert.equal(one.endpoints[0], 9)
})

nativeTest('acceptors rest while it is open, and accept all that wait when it closes', (t) => {
  const { acceptor, gate, opened } = gated(t)
  let state: string | undefined
  acceptor.onAccept = () => {
    state = gate.state
    gate.noteFed()
  }
  opened()
  assert.equal(acceptor.isListening, false)
  acceptor.waiting = 3
  gate.close()
  assert.deepEqual([acceptor.waiting, acceptor.isListening], [0, true])
  assert.equal(state, 'closed', 'what they accept goes by this process')
})

nativeTest('it stays open as long as workers keep up, and looks often', (t) => {
  const { owner, look, gate, opened, backlogs } = gated(t)
  opened()
  backlogs.set(1_001, 60)
  backlogs.set(1_002, 40)
  look(100, 20, 1)
  assert.deepEqual([gate.state, owner.settled], ['open', 100])
})

nativeTest('it closes when a connection is fed', (t) => {
  const { gate, owner, acceptor, opened, isOpenTo } = gated(t)
  opened()
  gate.noteFed()
  assert.deepEqual([gate.state, acceptor.isListening, isOpenTo()], ['closed', true, [false]])
  owner.waiting = 1
  gate.turn()
  gate.noteFed()
  assert.equal(gate.state, 'turning', 'those before are still to go')
})

for (const [why, change] of [
  [
    'most handlers become long',
    ({ work, look }) => {
      work(11, 1.1)
      look(1, 10)
    },
  ],
  [
    'more wait than the queue may have, at all sockets together',
    ({ backlogs, look }) => {
      backlogs.set(1_001, 60)
      backlogs.set(1_002, 41)
      look()
    },
  ],
  [
    'very many wait, whatever the queue may have',
    ({ owner, backlogs, look }) => {
      owner.limits.max = 5_000
      backlogs.set(1_002, 1_025)
      look(1, 5_000)
    },
  ],
  [
    'those that wait would wait for long',
    ({ backlogs, look }) => {
      backlogs.set(1_001, 100)
      // 55 ms.
      look(1, 9)
    },
  ],
  [
    'those that wait would wait for a large part of what they may',
    ({ owner, backlogs, look }) => {
      owner.limits.maxWaitMs = 40
      backlogs.set(1_001, 41)
      look()
    },
  ],
  [
    'somebody waits, and no worker takes anybody',
    ({ backlogs, look }) => {
      backlogs.set(1_001, 1)
      look(1, 0)
    },
  ],
  [
    'nothing may be handed out',
    ({ owner, look }) => {
      owner.isPermitted = false
      look()
    },
  ],
  [
    'somebody waits in this process',
    ({ owner, look }) => {
      owner.waiting = 1
      look()
    },
  ],
  [
    'a look finds that one was fed',
    ({ owner, gate, look }) => {
      owner.onSettle = () => gate.noteFed()
      look()
    },
  ],
  ['the sockets are other ones', ({ gate }) => gate.serve(sockets)],
  ['workers must not accept any more', ({ gate }) => gate.withdraw()],
] as const satisfies readonly (readonly [string, (stage: ReturnType<typeof gated>) => void])[]) {
  nativeTest(`it closes when ${why}`, (t) => {
    const stage = gated(t)
    const { gate, acceptor, owner, opened, isOpenTo, clock } = stage
    opened()
    acceptor.waiting = 2
    change(stage)
    assert.deepEqual([gate.state, isOpenTo()], ['closed', [false]])
    assert.deepEqual([acceptor.waiting, acceptor.isListening], [0, true])
    assert.ok(owner.closed > 0, 'nobody is told that workers may have accepted until now')
    const { settled } = owner
    clock.advance(10 * lookMs)
    assert.equal(owner.settled, settled, 'it looks no more')
  })
}

nativeTest('as much as that may wait, and may take so long', (t) => {
  const { gate, owner, backlogs, look, work, opened } = gated(t)
  opened()
  work(10, 500)
  look(1, 10, 1)
  backlogs.set(1_001, 100)
  // 50 ms.
  look(1, 10)
  owner.limits.max = 5_000
  backlogs.set(1_001, 1_024)
  look(1, 5_000)
  owner.limits.maxWaitMs = 40
  backlogs.set(1_001, 40)
  look(1, 20)
  assert.equal(gate.state, 'open')
})

nativeTest('it closes when nobody comes for many looks, not for a few', (t) => {
  const { gate, look, opened } = gated(t)
  opened()
  look(10, 0)
  assert.equal(gate.state, 'open')
  look(1, 1)
  look(10, 0)
  assert.equal(gate.state, 'open', 'one has come in between')
  look(1, 0)
  assert.equal(gate.state, 'closed')
})

nativeTest('a worker is granted more once it has used enough, and woken for that', (t) => {
  const { seats, look, opened } = gated(t)
  const [one] = seats
  assert.ok(one !== undefined)
  opened()
  one.writer.toggleWaiting()
  for (let seen = 1; seen < grantSize; seen += 1) one.link.grants.see(0, 0)
  look()
  assert.deepEqual([one.granted, one.rung], [2 * grantSize, 0])
  one.link.grants.see(0, 0)
  look()
  assert.deepEqual([one.granted, one.rung], [3 * grantSize, 1])
  assert.deepEqual(one.ids, [1 + 2 * grantSize, 1 + grantSize])
})

nativeTest('it opens to no more workers than its width, and to the first of them', (t) => {
  const { gate, seats, serving, opened, isOpenTo, look } = gated(t, width + 2)
  opened()
  const first = seats.map((_, at) => at < width)
  assert.deepEqual(isOpenTo(), first)
  gate.widen()
  look(3)
  assert.deepEqual(isOpenTo(), first)
  assert.equal(seats.at(-1)?.granted, 0)

  // One that goes loses it, and the next takes its place.
  const [one] = seats
  assert.ok(one !== undefined)
  serving.delete(one)
  gate.remove(one.link)
  assert.deepEqual(
    isOpenTo(),
    seats.map((_, at) => at > 0 && at <= width),
  )
  // One to which it is not open changes nothing.
  const last = seats.at(-1)
  assert.ok(last !== undefined)
  serving.delete(last)
  gate.remove(last.link)
  assert.deepEqual(
    isOpenTo(),
    seats.map((_, at) => at > 0 && at <= width),
  )
  gate.close()
  assert.deepEqual(
    isOpenTo(),
    seats.map(() => false),
  )
})

nativeTest('workers that are not ready are not let in, and others take their place', (t) => {
  const { seats, serving, opened, isOpenTo, look } = gated(t, width + 1)
  const [one] = seats
  assert.ok(one !== undefined)
  opened()
  serving.delete(one)
  look()
  assert.deepEqual(
    isOpenTo(),
    seats.map((_, at) => at > 0),
  )
  serving.delete(seats[1] as Seat)
  serving.add(one)
  look()
  assert.deepEqual(
    isOpenTo(),
    seats.map((_, at) => at !== 1),
  )
})

nativeTest('after workers have not kept up, it does not turn for a while', (t) => {
  const { gate, opened, backlogs, look, work } = gated(t)
  opened()
  backlogs.set(1_001, 1)
  look(1, 0)
  assert.equal(gate.state, 'closed')
  for (let beats = 0; beats < 5; beats += 1) {
    work(20)
    gate.consider()
    assert.equal(gate.state, 'closed')
  }
  work(20)
  gate.consider()
  assert.equal(gate.state, 'open')
})

nativeTest('all to whom it is open are woken from time to time', (t) => {
  const { seats, opened, look } = gated(t)
  const [one] = seats
  opened()
  one?.writer.toggleWaiting()
  look(19)
  assert.equal(one?.rung, 0)
  look()
  assert.equal(one?.rung, 1)
})

nativeTest('a worker that is added while it is open may accept; otherwise, none may', (t) => {
  const { gate, seats, serving, owner, isOpenTo } = gated(t, 2)
  const [one, two] = seats
  assert.ok(one !== undefined && two !== undefined)
  serving.clear()
  gate.widen()
  assert.deepEqual(isOpenTo(), [false, false])
  owner.waiting = 1
  gate.turn()
  serving.add(one)
  gate.widen()
  assert.deepEqual(isOpenTo(), [false, false])
  owner.waiting = 0
  gate.check()
  assert.deepEqual(isOpenTo(), [true, false])
  serving.add(two)
  gate.widen()
  assert.deepEqual(isOpenTo(), [true, true])
  gate.close()
  gate.widen()
  gate.remove(one.link)
  assert.deepEqual(isOpenTo(), [false, false])
})

nativeTest('a worker whose grants the ledger has no room for may not accept', (t) => {
  const { gate, ledger, serving, opened } = gated(t)
  for (let rows = 0; rows < 256; rows += 1) ledger.openGrants()
  const beyond = new Seat(t, ledger)
  serving.add(beyond)
  opened()
  // Were the primary killed, nobody would know which of its connections were counted.
  assert.equal(beyond.gate, 0)
  assert.equal(gate.state, 'open')
})
