import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, type TestContext, test } from 'node:test'
import { Client } from '../helpers/client.ts'
import { tryUpgrade } from '../helpers/commands.ts'
import { Load } from '../helpers/load.ts'
import { processesWith, signalTo } from '../helpers/processes.ts'
import { cliModule } from '../helpers/sandbox.ts'
import { counted, type Service, startIn, startService } from '../helpers/service.ts'
import { shared } from '../helpers/shared.ts'
import { sizes, Terminal, type TerminalSize } from '../helpers/terminal.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

const command = `"${process.execPath}" "${cliModule}" top --interval 0.2`
/** A mark in the environment by which its process is found. */
const mark = 'HST_TOP=1'

/** Types `helloserver top` in a terminal. */
async function watched(
  t: TestContext,
  service: Service,
  size: TerminalSize = sizes[0],
  variables: NodeJS.ProcessEnv = {},
): Promise<Terminal> {
  const terminal = await Terminal.open(t, size, { ...service.sandbox.environment, ...variables })
  terminal.run(`${mark} ${command}`)
  await terminal.shows(/q quit/)
  return terminal
}

const topPid = (service: Service) =>
  waitFor('the process of top', () => {
    const marked = new Set(processesWith(mark))
    return service.sandbox.processes().find((pid) => marked.has(pid))
  })

/** Waits for the shell's prompt, and checks that the terminal is as it was. */
async function isGivenBack(terminal: Terminal): Promise<void> {
  await terminal.shows(/ready> ?\n*$/)
  assert.deepEqual(terminal.modes, { isOtherScreen: false, hasCursor: true, wraps: true })
  terminal.run('stty -a')
  const settings = await terminal.shows(/icanon[^]*ready>/)
  assert.match(settings, /(?<!-)\bicanon\b/)
  assert.match(settings, /(?<!-)\becho\b/)
}

describe('helloserver top', () => {
  const running = shared((t) => startService(t, { config: { workers: 2 } }))

  for (const size of sizes) {
    test(`shows a service at ${size.columns} by ${size.rows}, and its figures move`, async (t) => {
      const service = await running()
      const terminal = await watched(t, service, size)
      const idle = await terminal.shows(/0 conn\/s/)
      assert.match(idle, /^helloserver {2}serving {2}g1 {2}up .* {2}127\.0\.0\.1:\d+/)
      assert.match(idle, /^ +2 {2}idle /m)
      assert.match(idle, /Serving on 127\.0\.0\.1:\d+ with 2 workers/)
      const load = new Load(service.port, 4)
      await terminal.shows(/^rate +[1-9]\d* conn\/s {2}busy \d\/2 {2}wait [\d.]+ ms, p99/m)
      await terminal.shows(/^total +[1-9]\d* served {2}0 failed/m)
      await load.stop()
      const held = await Client.connect(service.port)
      await counted(service, { active: 1 })
      await terminal.shows(new RegExp(`busy +\\d+ m?s +${held.address}`))
      held.reset()
      terminal.type('q')
      await isGivenBack(terminal)
    })
  }

  test('takes a terminal that does not know its size for one of 80 by 24', async (t) => {
    const service = await running()
    const terminal = await Terminal.open(t, sizes[1], service.sandbox.environment)
    terminal.run('stty cols 0 rows 0')
    terminal.run(command)
    const lines = (await terminal.shows(/q quit/)).split('\n')
    assert.equal(
      lines.findIndex((line) => line.includes('q quit')),
      23,
    )
    terminal.press('q')
    await terminal.shows(/ready> ?\n*$/)
  })

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    test(`gives the terminal back on ${signal}`, async (t) => {
      const service = await running()
      const terminal = await watched(t, service)
      assert.deepEqual(terminal.modes, { isOtherScreen: true, hasCursor: false, wraps: false })
      signalTo(await topPid(service), signal)
      await isGivenBack(terminal)
    })
  }

  test('gives the terminal back on Ctrl-C, and when it crashes', async (t) => {
    const service = await running()
    const fault = `data:text/javascript,process.on('SIGUSR2',()=>{throw new Error('a fault')})`
    const terminal = await watched(t, service, sizes[0], {
      NODE_OPTIONS: `--import "${fault}"`,
    })
    terminal.press('C-c')
    await isGivenBack(terminal)
    terminal.run(`clear; ${mark} ${command}`)
    await terminal.shows(/q quit/)
    signalTo(await topPid(service), 'SIGUSR2')
    await terminal.shows(/Error: a fault/)
    await isGivenBack(terminal)
  })

  test('is suspended by Ctrl-Z and by signal, and goes on', async (t) => {
    const service = await running()
    const terminal = await watched(t, service)
    for (const suspend of [
      async () => terminal.press('C-z'),
      async () => void signalTo(await topPid(service), 'SIGTSTP'),
    ]) {
      await suspend()
      await terminal.shows(/Stopped[^]*ready> ?$/m)
      assert.deepEqual(terminal.modes, { isOtherScreen: false, hasCursor: true, wraps: true })
      terminal.run('clear; fg')
      await terminal.shows(/serving[^]*q quit/)
      assert.equal(terminal.modes.isOtherScreen, true)
    }
    terminal.type('q')
    await terminal.shows(/ready> ?$/m)
  })

  test('has no colours where they are not wanted', async (t) => {
    const service = await running()
    for (const [variables, isColoured] of [
      [{}, true],
      [{ NO_COLOR: '1' }, false],
    ] as const) {
      const terminal = await watched(t, service, sizes[0], variables)
      await terminal.shows(/serving/)
      assert.equal(terminal.colouredScreen.includes('\x1b[32m'), isColoured)
      terminal.type('q')
      await isGivenBack(terminal)
    }
  })

  test('prints one view after the other where there is no terminal', async () => {
    const service = await running()
    const single = await service.cli('top', '--once')
    assert.equal(single.status, 0)
    assert.match(single.stdout, /^helloserver {2}serving {2}g1 [^]*^ +1 {2}idle [^]*Serving on/m)
    // oxlint-disable-next-line no-control-regex -- there must be none
    assert.doesNotMatch(single.stdout, /\x1b/)
    const child = service.sandbox.spawn(['top', '--interval', '0.1'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    await waitFor('three views', () => text.match(/^helloserver {2}serving/gm)?.[2])
    // Whoever reads it has seen enough.
    child.stdout?.destroy()
    assert.deepEqual(await within('its end', once(child, 'exit')), [0, null])
  })

  test('gives programs one object a line', async () => {
    const service = await running()
    const { pid } = JSON.parse((await service.cli('top', '--once', '--json')).stdout)
    assert.equal(pid, service.pid)
    const child = service.sandbox.spawn(['top', '--json', '--interval', '0.1'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    await waitFor('three objects', () => text.split('\n').length > 3)
    for (const line of text.split('\n').slice(0, 3)) assert.equal(JSON.parse(line).pid, pid)
    await service.stop()
    await waitFor('what is wrong', () => text.includes('"code":"NOT_RUNNING"'))
    assert.equal(child.exitCode, null)
    child.kill()
    assert.equal((await service.cli('top', '--once')).status, 3)
  })
})

describe('helloserver top of a service that changes', { concurrency: 2 }, () => {
  test('reloads and scales when it is told twice', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    const terminal = await watched(t, service)
    terminal.type('r')
    await terminal.shows(/Reload\? y to confirm/)
    terminal.type('n')
    await terminal.shows(/q quit/)
    terminal.type('ry')
    await terminal.shows(/^Reloaded in \d+ ms$/m)
    await terminal.shows(/serving {2}g2/)
    terminal.type('+')
    await terminal.shows(/3 workers \(now 2\)\?/)
    terminal.type('y')
    await terminal.shows(/^3 workers until the next reload$/m)
    await terminal.shows(/^ +3 {2}idle /m)
    terminal.type('--y')
    await terminal.shows(/^1 workers? until the next reload$/m)
    terminal.type('h')
    await terminal.shows(/reload: new workers with the configuration/)
    terminal.type('xq')
    await isGivenBack(terminal)
    const { generation } = await service.status()
    assert.equal(generation, 2)
  })

  test('fits whatever size its window gets', async (t) => {
    const service = await startService(t, { config: { workers: 6 } })
    const terminal = await watched(t, service)
    terminal.resize({ columns: 40, rows: 10 })
    const small = await terminal.shows(/^… \d more workers, 0 busy\n/m)
    const lines = small.trimEnd().split('\n')
    assert.equal(lines.length, 10)
    assert.ok(lines.every((line) => line.length <= 40))
    terminal.resize(sizes[1])
    await terminal.shows(/^ +6 {2}idle /m)
    assert.doesNotMatch(await terminal.shows(/version/), /more worker/)
    terminal.type('q')
    await isGivenBack(terminal)
  })

  test('says when the service is down, paused and back', async (t) => {
    const service = await startService(t)
    const terminal = await watched(t, service)
    service.signal('SIGSTOP')
    await terminal.shows(/No answer for \d s; this is the last known state/)
    service.signal('SIGCONT')
    await waitFor('an answer', () => !terminal.screen.includes('No answer'))
    await service.stop()
    await terminal.shows(/^Not running \(for \d+ m?s\); this is the last known state$/m)
    const again = await startIn(service.sandbox)
    await terminal.shows(new RegExp(`serving .*process ${again.pid} `))
    assert.equal((await tryUpgrade(again)).outcome, 'done')
    const { pid } = await again.status()
    assert.notEqual(pid, again.pid)
    assert.doesNotMatch(await terminal.shows(new RegExp(`process ${pid} `)), /Not running/)
    terminal.type('q')
    await isGivenBack(terminal)
  })
})
