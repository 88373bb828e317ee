import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chownSync } from 'node:fs'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { runFiles } from '../../../src/config/run-dir.ts'
import { ControlClient } from '../../../src/control/control-client.ts'
import { noOtherUser, otherUid } from '../../helpers/other-user.ts'
import { endingListener } from '../support/ending-listener.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('a service that ends while it is called is not running', async (t) => {
  const { socketFile } = runFiles('greeter', { HELLOSERVER_RUN_DIR: tempFolder(t) })
  const end = await endingListener(t, socketFile)
  const connected = ControlClient.connect(socketFile)
  // The call is in the system's queue by now.
  end()
  await assert.rejects(connected, { code: 'NOT_RUNNING' })
})

test('nothing is said to a socket of another user', async (t) => {
  const unable = noOtherUser()
  if (unable !== false) {
    t.skip(unable)
    return
  }
  const { socketFile } = runFiles('greeter', { HELLOSERVER_RUN_DIR: tempFolder(t) })
  const server = createServer(() => assert.fail('it was called')).listen(socketFile)
  t.after(() => server.close())
  await once(server, 'listening')
  chownSync(socketFile, otherUid, otherUid)
  await assert.rejects(ControlClient.connect(socketFile), {
    code: 'BAD_CONFIG',
    message: /belongs to user/,
  })
})
