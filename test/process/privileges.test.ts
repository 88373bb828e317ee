import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, test } from 'node:test'
import { Authority } from '../helpers/certificates.ts'
import { tryReload, upgrade } from '../helpers/commands.ts'
import { ownNetwork, works } from '../helpers/namespaces.ts'
import { asUser, noOtherUser } from '../helpers/other-user.ts'
import { resultOf, Sandbox } from '../helpers/sandbox.ts'
import { workerPids } from '../helpers/service.ts'
import { serviceAt, statusIn } from '../helpers/service-in.ts'

/** Debian's user "nobody", and a group that it is not in. */
const uid = 65_534

/** A field of a process's status (proc_pid_status(5)). */
function fieldOf(pid: number, field: string): string {
  const line = new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  )
  return (line?.[1] ?? '').trim()
}

/** Runs a program in the network of a process. */
function inNetworkOf(pid: number, program: string, ...args: string[]) {
  return spawnSync('nsenter', [`--target=${pid}`, '--net', program, ...args], { encoding: 'utf8' })
}

const skip = works(ownNetwork) ? noOtherUser() : 'needs a network of its own'

describe('a service that gives up root', { skip }, () => {
  test('of one on ports 43 and 79', async (t) => {
    const sandbox = new Sandbox(t, { allow: [/Reload failed/] })
    const { cert, key } = new Authority(t).sign('server')
    const tls = { cert, key }
    const listen = [
      '127.0.0.1:43',
      '127.0.0.1:79',
      `unix:${sandbox.runDir}/public.sock`,
      { address: '127.0.0.1:992', tls },
    ]
    const config = { listen, user: 'nobody', group: 'nogroup' }
    sandbox.configure(config)
    // The user has to reach the app and the configuration.
    chmodSync(dirname(sandbox.runDir), 0o755)
    const start = sandbox.spawnThrough(ownNetwork, ['start', '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { status, stdout, stderr } = await resultOf(start)
    assert.equal(status, 0, stderr)
    const { pid } = JSON.parse(stdout) as { pid: number }
    const service = serviceAt(sandbox, pid, 43)

    await t.test('serves whois and finger as that user', async () => {
      const whois = inNetworkOf(pid, 'whois', '-h', '127.0.0.1', 'example')
      assert.match(whois.stdout, /example/)
      const finger = inNetworkOf(
        pid,
        'sh',
        '-c',
        `printf 'me\\r\\n' | socat -t 5 - TCP:127.0.0.1:79`,
      )
      assert.equal(finger.stdout, 'me\r\n')
      assert.match(service.log(), /"msg":"Gave up root"/)
    })

    await t.test('no process has kept anything of root', async () => {
      for (const each of [pid, ...(await workerPids(service))]) {
        assert.equal(fieldOf(each, 'Uid'), `${uid}\t${uid}\t${uid}\t${uid}`)
        assert.equal(fieldOf(each, 'Gid'), `${uid}\t${uid}\t${uid}\t${uid}`)
        assert.equal(fieldOf(each, 'Groups'), `${uid}`)
        assert.match(fieldOf(each, 'CapEff'), /^0+$/)
        assert.match(fieldOf(each, 'CapPrm'), /^0+$/)
      }
    })

    await t.test('no worker has a file or a directory of root open', async () => {
      for (const each of await workerPids(service)) {
        for (const fd of readdirSync(`/proc/${each}/fd`)) {
          const path = `/proc/${each}/fd/${fd}`
          // A heartbeat opens files for a moment.
          const file = statSync(path, { throwIfNoEntry: false })
          const isOpenFile = file?.isFile() === true || file?.isDirectory() === true
          assert.ok(!isOpenFile || file?.uid === uid, `descriptor ${fd} of worker ${each}`)
        }
      }
    })

    await t.test('the run directory and all that is in it belong to that user', () => {
      const names = ['', ...readdirSync(sandbox.runDir)]
      const foreign = names.filter((name) => lstatSync(`${sandbox.runDir}/${name}`).uid !== uid)
      assert.deepEqual(foreign, [])
      assert.ok(names.includes('public.sock'))
    })

    await t.test('root and that user find it', async () => {
      assert.equal((await sandbox.cli('status')).status, 0)
      const own = sandbox.spawnThrough(asUser(uid), ['status'], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const { status: found, stderr: told } = await resultOf(own)
      assert.equal(found, 0, told)
    })

    await t.test(
      'a reload that needs root for another port is refused, and changes nothing',
      async () => {
        sandbox.configure({ ...config, listen: [...listen, '127.0.0.1:80'] })
        const { outcome, reason } = await tryReload(service)
        assert.equal(outcome, 'failed')
        assert.match(reason ?? '', /Cannot listen on 127.0.0.1:80: permission denied/)
        assert.equal((await service.status()).endpoints?.length, 4)
        sandbox.configure(config)
      },
    )

    await t.test('keys that only root may read stay in use, and no new ones are read', async () => {
      // The files are in a folder of root's.
      assert.equal((await tryReload(service)).outcome, 'done')
      assert.match(
        service.log(),
        new RegExp(`listen\\.3\\.tls\\.cert.*${cert}.*permission denied.*stays in use`),
      )
      const more = { address: '127.0.0.1:9992', tls: { ...tls, minVersion: 'TLSv1.3' } }
      sandbox.configure({ ...config, listen: [...listen, more] })
      const { outcome, reason } = await tryReload(service)
      assert.equal(outcome, 'failed')
      assert.match(
        reason ?? '',
        new RegExp(`^Cannot read listen\\.4\\.tls\\.cert ${cert}: permission denied; [^\n]*$`),
      )
      const hello = ['s_client', '-connect', '127.0.0.1:992', '-brief']
      assert.match(inNetworkOf(pid, 'openssl', ...hello).stderr, /Peer certificate: CN = server/)
      sandbox.configure(config)
    })

    await t.test('a reload to another user is refused', async () => {
      sandbox.configure({ ...config, user: 'daemon' })
      const { reason } = await tryReload(service)
      assert.match(reason ?? '', /user cannot change from nobody to daemon/)
      sandbox.configure(config)
    })

    await t.test('a reload and an upgrade keep the ports', async () => {
      assert.equal((await tryReload(service)).outcome, 'done')
      await upgrade(service)
      const { pid: successor } = await statusIn(sandbox)
      assert.notEqual(successor, pid)
      const finger = inNetworkOf(
        successor,
        'sh',
        '-c',
        `printf 'me\\r\\n' | socat -t 5 - TCP:127.0.0.1:79`,
      )
      assert.equal(finger.stdout, 'me\r\n')
      assert.equal(fieldOf(successor, 'Uid'), `${uid}\t${uid}\t${uid}\t${uid}`)
    })

    await t.test('root stops it', async () => {
      const { status: stopped, stderr: told } = await sandbox.cli('stop')
      assert.equal(stopped, 0, told)
    })
  })

  for (const [settings, environment, told] of [
    [{ user: 'no-such-user' }, {}, /user is "no-such-user"; it must be a user of this host/],
    [{ group: 'no-such-group' }, {}, /group is "no-such-group"; it must be a group of this host/],
    [{ user: 7.5 }, {}, /user is 7.5; it must be a user of this host, by name or number/],
  ] as const) {
    test(`${JSON.stringify(settings)} is refused in one line`, async (t) => {
      const sandbox = new Sandbox(t, { config: settings, environment, allow: [/start failed/] })
      const { status, stderr } = await sandbox.cli('start')
      assert.equal(status, 78)
      assert.match(stderr, told)
      assert.equal(stderr.trim().split('\n').length, 1)
    })
  }

  test('code that the user may not read is named, with the folder that keeps it', async (t) => {
    const sandbox = new Sandbox(t, { config: { user: 'daemon' }, allow: [/start failed/] })
    const { status, stderr } = await sandbox.cli('start')
    assert.equal(status, 78)
    const folder = dirname(sandbox.appFile)
    const told = `may not read ${sandbox.appFile}: permission denied at ${folder}; grant access, or`
    assert.ok(stderr.includes(told), stderr)
  })

  test('only root can become another user', async (t) => {
    const sandbox = new Sandbox(t, { config: { user: 'daemon' }, uid, allow: [/start failed/] })
    const { status, stderr } = await sandbox.cli('start')
    assert.equal(status, 78)
    assert.match(stderr, /user is "daemon"; only root can become another user/)
  })
})
