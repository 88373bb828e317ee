import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Dev, Project } from '../helpers/dev.ts'
import { freePort } from '../helpers/free-port.ts'
import { signalTo } from '../helpers/processes.ts'
import { cliModule, resultOf } from '../helpers/sandbox.ts'
import { startIn } from '../helpers/service.ts'
import { sizes, Terminal } from '../helpers/terminal.ts'
import { within } from '../helpers/wait-for.ts'

describe('helloserver dev', { concurrency: 2 }, () => {
  test('while it serves', async (t) => {
    const project = new Project(t)
    const { sandbox } = project
    const dev = await Dev.serving(project)

    await t.test('says how to try it', async () => {
      await dev.says(
        /try it {2}printf 'hello\\r\\n' \| nc -w 1 127\.0\.0\.1 \d+\n.*--name shout-dev\n.*Ctrl-C/,
      )
      assert.equal(await dev.answer(sandbox), 'one')
    })

    await t.test(
      'only what the app depends on reloads it, and only when its content differs',
      async () => {
        await dev.says(/^Reloads on a change to /m)
        project.write('apps/shout/unused.js', 'throw 1\n')
        project.write('apps/shout/.hidden', 'x')
        project.write('apps/shout/node_modules/x/index.js', 'x')
        project.write('lib/other.js', 'x')
        project.greet('one')
        project.write('apps/shout/records.txt', 'x')
        await dev.says(/^apps\/shout\/records\.txt changed: reloaded/m)
        project.write('apps/shout/data/more.txt', 'x')
        assert.equal(
          await dev.says(/changed: reloaded.*\n/m).then((said) => said.match(/^.* changed/m)?.[0]),
          'apps/shout/data/more.txt changed',
        )
        project.write('apps/shout/data/more.txt', 'y')
        await dev.says(/^apps\/shout\/data\/more\.txt changed: reloaded/m)
      },
    )

    await t.test('shows what the app prints and the errors of its handler', async () => {
      await dev.answer(sandbox, 'print')
      await dev.says(/^printed by the app$/m)
      await dev.answer(sandbox, 'throw')
      await dev.says(
        /ERROR: The handler threw [^]*Error: thrown by the app\n.*apps\/shout\/app\.js:7/,
      )
    })

    await t.test('a folder that is moved away and comes back is served again', async () => {
      const folder = join(project.folder, 'apps/shout')
      renameSync(folder, `${folder}.away`)
      await dev.says(/changed: not reloaded/)
      assert.equal(await dev.answer(sandbox), 'one')
      renameSync(`${folder}.away`, folder)
      await dev.says(/changed: reloaded/)
      project.greet('back')
      await dev.says(/^lib\/greeting\.js changed: reloaded/m)
      assert.equal(await dev.answer(sandbox), 'back')
    })

    await t.test(
      'applies what is edited, and shows what is wrong while the old code answers',
      async () => {
        project.greet('two')
        await dev.says(/^lib\/greeting\.js changed: reloaded in \d+ ms$/m)
        assert.equal(await dev.answer(sandbox), 'two')

        project.replace('lib/greeting.js', `\n\nexport const greeting = }\n`)
        await dev.says(
          /^lib\/greeting\.js changed: not reloaded; the previous code keeps serving$/m,
        )
        await dev.says(/^ .*Unexpected token '}' \(lib\/greeting\.js:3\)/m)
        assert.equal(await dev.answer(sandbox), 'two')

        project.replace(
          'lib/greeting.js',
          `export const greeting = ''\nthrow new Error('not today')\n`,
        )
        await dev.says(/^ .*not today \(lib\/greeting\.js:2\)/m)

        project.replace('lib/greeting.js', `\nexport { greeting } from './words/all.js'\n`)
        await dev.says(
          /^ .*Cannot find module 'lib\/words\/all\.js'.*\n {2}at lib\/greeting\.js:2$/m,
        )
        assert.equal(await dev.answer(sandbox), 'two')

        project.write('lib/words/all.js', `export const greeting = 'three'\n`)
        await dev.says(/^lib\/words\/all\.js changed: reloaded/m)
        assert.equal(await dev.answer(sandbox), 'three')

        project.remove('lib/words')
        await dev.says(/^lib\/words\/all\.js changed: not reloaded/m)
        project.write('lib/words/all.js', `export const greeting = 'four'\n`)
        await dev.says(/^lib\/words\/all\.js changed: reloaded/m)
        assert.equal(await dev.answer(sandbox), 'four')
      },
    )
  })

  test('applies the configuration: by a reload, or by a restart where that needs one', async (t) => {
    const project = new Project(t)
    const { sandbox } = project
    const dev = await Dev.serving(project)
    const port = await freePort()
    project.configure({ port })
    await dev.says(
      new RegExp(
        `^apps/shout/config\\.json changed: reloaded in \\d+ ms, and serves on 127\\.0\\.0\\.1:${port} now$`,
        'm',
      ),
    )
    project.write('apps/shout/config.json', '{\n "port": 0,\n}')
    await dev.says(/^ .*Cannot read apps\/shout\/config\.json/m)
    await dev.says(/^ {2}at apps\/shout\/config\.json:3$/m)
    project.configure({ port, workers: 0 })
    await dev.says(/^ .*workers is 0; it must be/m)
    assert.equal(await dev.answer(sandbox), 'one')
    project.configure({ port, lease: { ttlMs: 5_000 } })
    await dev.says(
      /changed: restarting, since lease\.ttlMs cannot change from 3000 to 5000 in a reload$/m,
    )
    await dev.says(new RegExp(`^shout-dev serves apps/shout on 127\\.0\\.0\\.1:${port} `, 'm'))
    assert.equal(await dev.answer(sandbox), 'one')
  })

  test('a start that fails is tried again when the mistake is mended', async (t) => {
    const project = new Project(t, { workers: 0 })
    const dev = new Dev(project)
    await dev.says(/^shout-dev did not start; waiting for a change\n {2}.*workers is 0/m)
    project.write('lib/greeting.js', 'export const greeting = }\n')
    await dev.says(/^lib\/greeting\.js changed: starting$/m)
    project.configure({})
    await dev.says(/^apps\/shout\/config\.json changed: starting$/m)
    await dev.says(/^ .*\(lib\/greeting\.js:1\)$/m)
    project.greet('two')
    await dev.says(/^lib\/greeting\.js changed: starting\nshout-dev serves/m)
    assert.equal(await dev.answer(project.sandbox), 'two')
  })

  test('ends on INT, in good order, and on TERM while it waits for a change', async (t) => {
    const project = new Project(t)
    const dev = await Dev.serving(project)
    dev.child.kill('SIGINT')
    const { status, stdout } = await within('the end of dev', dev.ended)
    assert.equal(status, 0)
    assert.match(stdout, /\nshout-dev stopped\n$/)
    project.write('lib/greeting.js', '}')
    const waiting = new Dev(project)
    await waiting.says(/\(lib\/greeting\.js:1\)$/m)
    waiting.child.kill('SIGTERM')
    assert.equal((await within('the end of dev', waiting.ended)).status, 0)
  })

  test('leaves no service behind when it is killed', async (t) => {
    const project = new Project(t)
    const dev = await Dev.serving(project)
    assert.ok(project.sandbox.processes().length >= 3)
    signalTo(dev.child.pid as number, 'SIGKILL')
    await project.sandbox.allEnded()
  })

  test('is not in the way of the service itself, and says so when that has the port', async (t) => {
    const port = await freePort()
    const project = new Project(t, { port })
    const service = await startIn(project.sandbox)
    const taken = new Dev(project)
    const { status, stderr } = await within('the end of dev', taken.ended)
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^shout-dev: Port \d+ is taken by the helloserver service "helloserver" .*, or use --port\n$/,
    )

    const dev = await Dev.serving(project, '--port', '0')
    assert.equal(await dev.answer(project.sandbox), 'one')
    const second = new Dev(project, '--port', '0')
    const again = await within('the end of dev', second.ended)
    assert.equal(again.status, 4)
    assert.match(again.stderr, /^shout-dev: Already running/i)
    assert.equal((await service.status()).state, 'serving')
  })

  test('an app that is not there is refused at once', async (t) => {
    const project = new Project(t)
    project.remove('apps/shout')
    const { status, stderr } = await within('the end of dev', new Dev(project).ended)
    assert.equal(status, 78)
    assert.match(stderr, /There is no app "shout"/)
  })

  test('names the limit of the system that keeps it from watching', async (t) => {
    const { sandbox, folder } = new Project(t)
    const none = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    const child = sandbox.spawnThrough(
      ['unshare', '-Ur', 'sh', '-c', none, 'sh'],
      ['dev', 'shout'],
      {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    const { status, stderr } = await within('the end of dev', resultOf(child))
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^shout: Cannot watch .*; end another program that watches files, or raise fs\.inotify\.max_user_instances /,
    )
  })

  test('a Ctrl-C on a terminal stops it once, and in good order', async (t) => {
    const project = new Project(t)
    const terminal = await Terminal.open(t, sizes[1], project.sandbox.environment)
    terminal.run(
      `cd ${project.folder} && ${process.execPath} ${cliModule} dev shout; echo "status $?"`,
    )
    await terminal.shows(/shout-dev serves/)
    terminal.press('C-c')
    await terminal.shows(/shout-dev stopped\nstatus 0/)
  })
})
