import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ListenSettings } from '../../../src/config/listen.ts'
import { mustKnowUsers } from '../../../src/process/privileges.ts'

const nobody = 'no-such-name'

const owned = (owner: string): ListenSettings => ({
  endpoint: { path: '/x' },
  file: { mode: 0o660, owner },
})

test('users and groups that the host does not have are refused by their key', () => {
  for (const [settings, problem] of [
    [{ user: nobody }, `user is "${nobody}"; it must be a user of this host, by name or number`],
    [{ group: nobody }, `group is "${nobody}"; it must be a group of this host, by name or number`],
    [
      { listen: [owned('root'), owned(`root:${nobody}`)] },
      `The "owner" of a Unix socket in "listen" names "${nobody}", which is no group of this host`,
    ],
    [
      { listen: [owned(nobody)] },
      `The "owner" of a Unix socket in "listen" names "${nobody}", which is no user of this host`,
    ],
  ] as const) {
    const config = { user: undefined, group: undefined, listen: [], ...settings }
    assert.throws(() => mustKnowUsers(config), { code: 'BAD_CONFIG', message: problem })
  }
  const config = { user: 'root', group: '0', listen: [owned('root:root'), owned(':0')] }
  assert.doesNotThrow(() => mustKnowUsers(config))
})
