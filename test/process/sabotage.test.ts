import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ServiceEvent } from '../../src/lifecycle/event-kinds.ts'
import { ask, type Ending } from '../helpers/client.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/**
 * An app that does to its own process what its client asks for: a line `in hand CODE` is answered after CODE has run, a
 * line `behind CODE` before. Everything else is echoed.
 */
const saboteur = `import cluster from 'node:cluster'
import fs from 'node:fs'
import net from 'node:net'
import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
const run = (code) => new Function('fs', 'net', 'spawn', 'cluster', 'delay', 'return (async () => {' + code + '})()')(fs, net, spawn, cluster, delay)
export default {
  async handle(connection) {
    const line = String(await connection.readLine())
    const [, when, code] = /^(in hand|behind) (.*)/.exec(line) ?? []
    if (when === 'in hand') await run(code)
    await connection.write(line)
    if (when === 'behind') setImmediate(() => void run(code))
  },
}`

interface Sabotage {
  readonly name: string
  readonly code: string
  /** What is said of the worker; undefined when it stays. */
  readonly unfit?: RegExp
  /** Its own client is not answered. */
  readonly costs?: 'its client'
}

const swapped = (fd: number) =>
  `fs.closeSync(${fd}); const kept = fs.openSync('/dev/null', 'r+'); if (kept !== ${fd}) throw new Error('got ' + kept)`
const isInvalid = /invalid data into its channel/
const said = (value: unknown) => `fs.writeSync(3, ${JSON.stringify(`${JSON.stringify(value)}\n`)})`

/** What belongs to the hand-off that offers connections. */
const ofOffers: readonly Sabotage[] = [
  {
    name: 'closes its progress pipe',
    code: 'fs.closeSync(4)',
    unfit: /progress pipe is closed|reports/,
  },
  {
    name: 'opens another file in the place of its progress pipe',
    code: swapped(4),
    unfit: /progress pipe|reports/,
  },
  {
    name: 'writes a byte into its progress pipe',
    code: "fs.writeSync(4, 'x')",
    unfit: /invalid data into its progress pipe/,
  },
  {
    name: 'floods its progress pipe',
    code: "for (let i = 0; i < 50; i += 1) fs.writeSync(4, 'rubbish'.repeat(9999))",
    unfit: /invalid data into its progress pipe/,
  },
  {
    name: 'fills its progress pipe without waiting',
    code: "const pipe = new net.Socket({ fd: 4 }); pipe.on('error', () => {}); pipe.write(Buffer.alloc(1e6, 255))",
    unfit: /progress pipe/,
  },
  { name: 'closes its claim register', code: 'fs.closeSync(5)', unfit: /cannot receive|claims/ },
  {
    name: 'opens another file in the place of its claim register',
    code: swapped(5),
    unfit: /claims/,
  },
  { name: 'overwrites its claim register', code: "fs.writeSync(5, 'rubbish!', 0)" },
  {
    name: 'closes its channel and its progress pipe',
    code: 'fs.closeSync(3); fs.closeSync(4)',
    unfit: /closed|reaches/,
  },
  {
    name: 'closes every descriptor that it did not open',
    code: 'for (const fd of [3, 4, 5]) fs.closeSync(fd)',
    unfit: /closed|reaches/,
  },
  { name: 'takes no more messages', code: "process.removeAllListeners('message')" },
  { name: 'takes no more sockets', code: "process.removeAllListeners('internalMessage')" },
  {
    name: 'reads its channel no more',
    code: "process[Object.getOwnPropertySymbols(process).find((key) => key.description === 'kChannelHandle')].readStop()",
    unfit: /ignores the connections/,
  },
]

/** What belongs to the hand-off by a queue: descriptors 5 and 6 are its end and the bell. */
const ofQueue: readonly Sabotage[] = [
  { name: 'closes its end of the queue', code: 'fs.closeSync(5)', unfit: /end of the queue/ },
  {
    name: 'opens another file in the place of its end of the queue',
    code: swapped(5),
    unfit: /end of the queue/,
  },
  { name: 'writes into the queue', code: "fs.writeSync(5, 'rubbish')" },
  { name: 'closes its bell', code: 'fs.closeSync(6)' },
  {
    name: 'closes every descriptor that it did not open',
    code: 'for (const fd of [3, 5]) fs.closeSync(fd)',
    unfit: /closed|queue/,
  },
]

const quiet: readonly Sabotage[] = [
  { name: 'closes its channel by its descriptor', code: 'fs.closeSync(3)', unfit: /channel/ },
  { name: 'disconnects', code: 'process.disconnect()' },
  { name: 'throws null', code: 'throw null', costs: 'its client' },
  {
    name: 'throws a proxy that throws',
    code: "throw new Proxy(new Error('x'), { get() { throw 1 }, getPrototypeOf() { throw 2 } })",
    costs: 'its client',
  },
  {
    name: 'throws what has a message that throws',
    code: "throw Object.defineProperty(new Error('x'), 'message', { get() { throw 1 } })",
    costs: 'its client',
  },
  { name: 'throws a long text', code: "throw 'x'.repeat(5e6)", costs: 'its client' },
]

const loud: readonly Sabotage[] = [
  { name: 'writes a newline to descriptor 3', code: "fs.writeSync(3, '\\n')", unfit: isInvalid },
  {
    name: 'writes rubbish to descriptor 3',
    code: "fs.writeSync(3, 'READY=1\\n\\0{}[]\\n')",
    unfit: isInvalid,
  },
  {
    name: 'writes a line without an end to descriptor 3',
    code: "try { for (;;) fs.writeSync(3, '\"'.repeat(60000)) } catch {}",
    unfit: /message/,
  },
  {
    name: 'acknowledges what it was not sent',
    code: said({ cmd: 'NODE_HANDLE_ACK' }),
    unfit: /acknowledged/,
  },
  {
    name: 'refuses what it was not sent',
    code: said({ cmd: 'NODE_HANDLE_NACK' }),
    unfit: /acknowledged/,
  },
  {
    name: 'imitates a socket',
    code: said({ cmd: 'NODE_HANDLE', type: 'net.Native', msg: 7 }),
    unfit: /sent a socket/,
  },
  {
    name: 'imitates a socket of no type',
    code: said({ cmd: 'NODE_HANDLE', type: '__proto__' }),
    unfit: /sent a socket/,
  },
  {
    name: 'sends a socket',
    code: "net.createServer().listen({ port: 0, exclusive: true }, function () { process.send('take it', this) })",
    unfit: /sent a socket|node:cluster/,
  },
  {
    name: 'asks node:cluster for a descriptor',
    code: said({ cmd: 'NODE_CLUSTER', act: 'queryServer', fd: 0, addressType: 4, seq: 1 }),
    unfit: /descriptor/,
  },
  {
    name: 'asks node:cluster for a port that is none',
    code: said({ cmd: 'NODE_CLUSTER', act: 'queryServer', port: 1e9, addressType: 4, seq: 1 }),
    unfit: isInvalid,
  },
  {
    name: 'asks node:cluster for what it does not do',
    code: said({ cmd: 'NODE_CLUSTER', act: 'constructor' }),
    unfit: /node:cluster/,
  },
  {
    name: 'imitates another message of Node.js',
    code: said({ cmd: 'NODE_DEBUG_ENABLED' }),
    unfit: /NODE_DEBUG_ENABLED/,
  },
  {
    name: 'floods its channel by process.send',
    code: "for (let i = 0; i < 5000; i += 1) process.send('flood '.repeat(40) + i)",
    unfit: /more than \d+ bytes/,
  },
  {
    name: 'sends one message without bounds',
    code: "process.send('x'.repeat(1e7))",
    unfit: /more than \d+ bytes/,
  },
]

const workers = 3
const others = 20

const options = {
  app: saboteur,
  config: {
    workers,
    watchdog: { heartbeatMs: 100, hungAfterMs: 20_000 },
    connection: { lingerMs: 200 },
  },
  // Of the sabotage, and what the runtime says of it.
  allow: [/"role":"worker"/, /"stream":"stderr"/],
}

async function askOthers(service: Service): Promise<void> {
  await Promise.all(
    Array.from({ length: others }, async (_, at) => {
      const text = `client ${at}\r\n`
      assert.deepEqual(await ask(service.port, text), { how: 'end', text })
    }),
  )
}

const isUnfit = ({ kind }: ServiceEvent) => kind === 'worker-unfit'

/** Has one worker do it; returns how its own client fared. Everybody else must be served. */
async function sabotage(service: Service, { code, costs, unfit }: Sabotage, when: string) {
  const isToBeAnswered = costs === undefined
  const seen = (await service.status()).events.at(-1)?.seq ?? 0
  const line = `${when} ${code}\r\n`
  const own = await ask(service.port, line)
  const isAnswered = own.text === line
  if (!isAnswered && isToBeAnswered) await explain(service, own)
  await askOthers(service)
  if (unfit !== undefined) {
    // A worker that fails to take connections is found only by connections that it is offered.
    await waitFor(`an event that matches ${unfit}`, async () => {
      await askOthers(service)
      const { events } = await service.status()
      return events.some((event) => event.seq > seen && isUnfit(event) && unfit.test(event.text))
    }).catch(() => explain(service, own))
  }
  await waitFor('workers that are idle', async () => {
    const { workers: all } = await service.status()
    return all.length === workers && all.every(({ state }) => state === 'idle')
  })
  return isAnswered ? 'answered' : 'not answered'
}

/** Fails with all that may tell why its own client was not answered, or why the worker was not taken out. */
async function explain(service: Service, own: Ending): Promise<never> {
  const { connections, workers: all, events } = await service.status()
  const facts = { own, connections, workers: all, events: events.slice(-5) }
  throw new Error(`The sabotage has not come to what it should: ${JSON.stringify(facts, null, 2)}
${service.log().split('\n').slice(-20).join('\n')}`)
}

describe('a worker whose app', { concurrency: 2 }, () => {
  test('breaks its ways to the primary, or throws what it likes, costs nobody else a connection', async (t) => {
    const service = await startService(t, options)
    const { handOff } = await service.status()
    let failed = 0
    for (const each of [...(handOff === 'native' ? ofQueue : ofOffers), ...quiet]) {
      await t.test(each.name, async () => {
        const expected = each.costs === undefined ? 'answered' : 'not answered'
        assert.equal(await sabotage(service, each, 'in hand'), expected)
        failed += each.costs === undefined ? 0 : 1
        const { connections } = await counted(service, { failed, active: 0, queued: 0 })
        assert.equal(connections.accepted, connections.served + failed)
      })
    }
  })

  test('says what it likes is taken out, and nobody else notices', async (t) => {
    const service = await startService(t, options)
    for (const each of loud) {
      await t.test(each.name, async () => {
        assert.equal(await sabotage(service, each, 'behind'), 'answered')
        assert.equal((await service.status()).pid, service.pid)
        await counted(service, { failed: 0, active: 0, queued: 0 })
      })
    }
  })

  test('has left its descriptors to a child ends with its process, and so does the service', async (t) => {
    const app = `import { spawn } from 'node:child_process'
    export default {
      async handle(connection) {
        await connection.readLine()
        const stdio = ['ignore', 1, 2, 3, 4, 5]
        const child = spawn('sleep', ['300'], { stdio, detached: true })
        child.unref()
        await connection.write(child.pid + '\\r\\n')
      },
    }`
    const service = await startService(t, { app })
    const heirs: number[] = []
    t.after(() => {
      for (const heir of heirs) signalTo(heir, 'SIGKILL')
    })
    for (let count = 0; count < 2; count += 1) {
      const [worker = 0] = await workerPids(service)
      heirs.push(Number.parseInt((await ask(service.port, 'go\r\n')).text, 10))
      signalTo(worker, 'SIGKILL')
      await waitFor('another worker', async () => {
        const [another] = await workerPids(service)
        return another !== undefined && another !== worker
      })
    }
    heirs.push(Number.parseInt((await ask(service.port, 'go\r\n')).text, 10))
    await counted(service, { accepted: 3, served: 3 })
    await service.stop()
    assert.ok(heirs.every(isAlive))
    for (const heir of heirs) signalTo(heir, 'SIGKILL')
  })
})
