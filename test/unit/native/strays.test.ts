import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, closeSync, mkdirSync, openSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { strays } from '../../../src/rescue/strays.ts'
import { newMark } from '../../../src/rescue/worker-mark.ts'
import { asUser, noOtherUser, otherUid } from '../../helpers/other-user.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'
import { tempFolder } from '../support/temp-folder.ts'

/** A process that holds a page of that name, if it is given one, until the test ends. */
async function holder(t: TestContext, name?: string): Promise<ChildProcess & { pid: number }> {
  const native = nativeModule()
  const page = native.openPage(4_096, false, name ?? 'another page')
  assert.ok(typeof page === 'object')
  const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', page.fd] })
  await once(child, 'spawn')
  native.close(page.fd)
  t.after(() => child.kill('SIGKILL'))
  const { pid } = child
  assert.ok(pid !== undefined)
  return Object.assign(child, { pid })
}

const [native, straysModule, marks] = ['native/native', 'rescue/strays', 'rescue/worker-mark'].map(
  (file) => new URL(`../../../src/${file}.js`, import.meta.url).href,
)

const rising = (one: number, other: number) => one - other
const found = (place: Parameters<typeof strays>[0]) => strays(place).toSorted(rising)

/** The mark of another primary than this process. */
const markOf = (place: Parameters<typeof newMark>[0], primary: number) =>
  newMark(place).replace(` ${process.pid} `, ` ${primary} `)

nativeTest('processes that hold a page of a dead primary are its workers', async (t) => {
  const folder = tempFolder(t)
  const [runDir, other] = [join(folder, 'run'), join(folder, 'other')]
  for (const each of [runDir, other]) mkdirSync(each)
  const place = { runDir, name: 'greeter' }
  const dead = await holder(t)
  dead.kill('SIGKILL')
  await once(dead, 'exit')

  const mark = markOf(place, dead.pid)
  const workers = [await holder(t, mark), await holder(t, mark)]
    .map(({ pid }) => pid)
    .toSorted(rising)
  // Of this process, of another service, of another run directory, and of nobody.
  await holder(t, newMark(place))
  await holder(t, markOf({ runDir, name: 'greeter2' }, dead.pid))
  await holder(t, markOf({ runDir: other, name: 'greeter' }, dead.pid))
  await holder(t, `${mark}\n`)
  assert.deepEqual(found(place), workers)

  const link = join(folder, 'link')
  symlinkSync(runDir, link)
  assert.deepEqual(found({ runDir: link, name: 'greeter' }), workers)
  rmSync(runDir, { recursive: true })
  assert.deepEqual(strays(place), [])
})

nativeTest('a primary that lives keeps its workers, whoever is the service now', async (t) => {
  const place = { runDir: tempFolder(t), name: 'greeter' }
  const program = `
    import { spawn } from 'node:child_process'
    import { loadNative } from '${native}'
    import { newMark } from '${marks}'
    const page = loadNative().module.openPage(4_096, false, newMark(${JSON.stringify(place)}))
    const worker = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', page.fd] })
    process.stdout.write(String(worker.pid))`
  const args = ['--input-type=module', '--eval', program]
  const primary = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => primary.kill('SIGKILL'))
  const [printed] = (await once(primary.stdout, 'data')) as [Buffer]
  const worker = Number(printed)
  t.after(() => process.kill(worker, 'SIGKILL'))
  assert.deepEqual(strays(place), [])
  primary.kill('SIGKILL')
  await once(primary, 'exit')
  assert.deepEqual(strays(place), [worker])
})

nativeTest('a primary that hides its files may live', (t) => {
  const unable = noOtherUser()
  if (unable !== false) {
    t.skip(unable)
    return
  }
  const place = { runDir: tempFolder(t), name: 'greeter' }
  chownSync(place.runDir, otherUid, otherUid)
  // The files of this process, which is root's, are hidden from another user.
  const { status, stdout, stderr } = asOther(`
    import { spawn } from 'node:child_process'
    import { loadNative } from '${native}'
    import { strays } from '${straysModule}'
    import { newMark } from '${marks}'
    const place = ${JSON.stringify(place)}
    const found = [${process.pid}, 2 ** 22].map((primary) => {
      const mark = newMark(place).replace(' ' + process.pid + ' ', ' ' + primary + ' ')
      const page = loadNative().module.openPage(4_096, false, mark)
      const worker = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', page.fd] })
      const isFound = strays(place).includes(worker.pid)
      worker.kill('SIGKILL')
      return isFound
    })
    process.stdout.write(found.join())`)
  assert.equal(status, 0, stderr)
  assert.equal(stdout, 'false,true')
})

nativeTest('a page of another user makes nobody a worker', async (t) => {
  const unable = noOtherUser()
  if (unable !== false) {
    t.skip(unable)
    return
  }
  const place = { runDir: tempFolder(t), name: 'greeter' }
  const mark = markOf(place, 2 ** 22)
  const stranger = spawnAsOther(`
    import { loadNative } from '${native}'
    process.stdout.write(String(loadNative().module.openPage(4_096, false, '${mark}').fd))
    setTimeout(() => {}, 60_000)`)
  t.after(() => stranger.kill('SIGKILL'))
  const [fd] = (await once(stranger.stdout, 'data')) as [Buffer]
  // As a process would that takes descriptors from strangers.
  const page = openSync(`/proc/${stranger.pid}/fd/${Number(fd)}`, 'r')
  const victim = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', page] })
  t.after(() => victim.kill('SIGKILL'))
  await once(victim, 'spawn')
  closeSync(page)
  assert.deepEqual(strays(place), [])
})

/** Runs a module as another user. */
function asOther(source: string) {
  const [setpriv, ...args] = commandOfOther(source)
  return spawnSync(setpriv, args, { encoding: 'utf8', cwd: '/' })
}

function spawnAsOther(source: string) {
  const [setpriv, ...args] = commandOfOther(source)
  return spawn(setpriv, args, { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] })
}

function commandOfOther(source: string): [string, ...string[]] {
  return [...asUser(otherUid), process.execPath, '--input-type=module', '--eval', source]
}
