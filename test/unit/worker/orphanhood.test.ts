import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Orphanhood } from '../../../src/worker/orphanhood.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'

nativeTest(
  'a worker that no primary has found starts one after the other until it gives up',
  async (t) => {
    const native = nativeModule()
    const folder = mkdtempSync(join(tmpdir(), 'hst-orphanhood-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const socket = native.listenAt(join(folder, 'socket'))
    t.after(() => native.close(socket))
    // The first is not needed, as another is starting, which is then killed; the second is killed itself.
    const outcomes = [() => Promise.reject(new Error('already running')), () => Promise.resolve()]
    let launched = 0
    let hasGivenUp = false
    const orphanhood = new Orphanhood(
      {
        native,
        fds: { page: -1, legacy: socket, socket },
        identity: { slot: 1, generation: 1 },
        settings: { startAfterMs: 1, waitMs: 500 },
        canBeFound: () => true,
        launch: () => {
          const outcome = outcomes[launched] ?? (() => Promise.resolve())
          launched += 1
          return outcome()
        },
      },
      {
        onLook: () => {},
        onMessage: () => {},
        onGivenUp: () => {
          hasGivenUp = true
        },
      },
    )
    orphanhood.begin()
    await waitFor('the third launch', () => launched === 3)
    await waitFor('the end of the wait', () => hasGivenUp)
    const soFar = launched
    assert.ok(soFar <= 10, `${soFar} were started within half a second`)
  },
)
