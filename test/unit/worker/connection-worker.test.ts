import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { App } from '../../../src/app/app.ts'
import { Worker } from '../../../src/worker/connection-worker.ts'
import type { Intake } from '../../../src/worker/intake.ts'
import { load } from '../support/config-file.ts'
import { clockOf } from '../support/connected.ts'
import { keptLog } from '../support/kept-log.ts'
import { MemoryTransport } from '../support/memory-transport.ts'

/** Serves one connection; resolves with its report and what then happened to its socket, in their order. */
async function endsOf(t: TestContext, handle: App['handle']): Promise<string[]> {
  const ends: string[] = []
  const free = new EventTarget()
  const intake: Intake = {
    record: ({ step }) => void ends.push(step),
    serveFrom: () => {},
    next: () => void free.dispatchEvent(new Event('next')),
    close: () => {},
    settled: () => Promise.resolve(),
  }
  const transport = Object.assign(new MemoryTransport(), {
    conclude: () => void ends.push('concluded'),
    destroy: () => void ends.push('destroyed'),
  })
  const config = load(t, {})
  const identity = { service: 'test', slot: 1, generation: 1 }
  const context = { ...identity, directory: '.', settings: {}, lease: null, log: keptLog().log }
  const ways = { handOff: 'native', startsPrimary: false, endpoints: [] } as const
  const boot = { kind: 'boot', ...identity, config, ...ways } as const
  const worker = new Worker({ handle }, context, boot, () => intake, clockOf(t))
  const isFree = once(free, 'next')
  worker.begin(1, transport, { beginsWithTls: false })
  await isFree
  return ends
}

test('an end is reported before the client can see it, and come again', async (t) => {
  const served = await endsOf(t, () => {})
  assert.deepEqual(served, ['served', 'concluded'])
  const failed = await endsOf(t, () => {
    throw new Error('on purpose')
  })
  assert.deepEqual(failed, ['failed', 'destroyed'])
})
