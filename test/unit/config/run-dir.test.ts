import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { makeRunDir, runFiles } from '../../../src/config/run-dir.ts'
import { setEnvironment } from '../support/environment.ts'
import { holdLock } from '../support/lock-holder.ts'
import { tempFolder } from '../support/temp-folder.ts'

const filesIn = (runDir: string, name = 'test') => runFiles(name, { HELLOSERVER_RUN_DIR: runDir })
const modeOf = (path: string) => statSync(path).mode & 0o777

/** A folder of its own for one service, not made yet. */
const unmade = (t: TestContext) => join(tempFolder(t), 'a', 'run')

test('the files are named after the service, in its run directory', () => {
  assert.deepEqual(filesIn('/run/x', 'whois'), {
    name: 'whois',
    runDir: '/run/x',
    isNamed: true,
    lockFile: '/run/x/whois.lock',
    pidFile: '/run/x/whois.pid',
    socketFile: '/run/x/whois.sock',
    rescueFile: '/run/x/whois.next',
    logFile: '/run/x/whois.log',
    logCursorFile: '/run/x/whois.log.cursor',
  })
})

test('names that could lead out of the directory, or hide in it, are refused', () => {
  const bad = ['', '.', '..', '../x', 'a/b', '-x', '.x', '_x', 'a b', 'ä', 'a\n', 'x'.repeat(65)]
  for (const name of bad) {
    assert.throws(() => filesIn('/run/x', name), {
      code: 'BAD_CONFIG',
      message: /^The service name is ".*"; it must be 1 to 64 letters/s,
    })
  }
  for (const name of ['a', '7', 'a.b_c-D', 'x'.repeat(64)]) filesIn('/run/x', name)
})

test('whatever the name, its files are directly in the directory or it is refused', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 10 }), (name) => {
      try {
        const { isNamed: _, runDir: __, name: ___, ...files } = filesIn('/r', name)
        for (const file of Object.values(files)) {
          assert.match(file, /^\/r\/[^/]+$/)
        }
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'BAD_CONFIG')
      }
    }),
  )
})

test("a socket's path may have 99 bytes", () => {
  const folder = (bytes: number) => `/${'x'.repeat(bytes - '/a.sock'.length - 1)}`
  filesIn(folder(99), 'a')
  assert.throws(() => filesIn(folder(100), 'a'), {
    code: 'BAD_CONFIG',
    message: /longer than 99 bytes; set HELLOSERVER_RUN_DIR to a shorter directory/,
  })
  assert.throws(() => filesIn(folder(99).replace('xx', 'ü'.repeat(2)), 'a'), {
    code: 'BAD_CONFIG',
  })
})

test('a relative directory is taken from where the command is run', () => {
  assert.equal(filesIn('some/where').runDir, join(process.cwd(), 'some', 'where'))
})

test('without a setting the directory is the same, whatever the environment', (t) => {
  const { runDir, isNamed } = runFiles('test', {})
  assert.equal(isNamed, false)
  assert.match(runDir, /^\/(run\/helloserver|tmp\/helloserver-\d+)$/)
  const folder = tempFolder(t)
  mkdirSync(join(folder, 'helloserver'), { mode: 0o700 })
  writeFileSync(join(folder, 'helloserver', 'test.lock'), '')
  setEnvironment(t, { XDG_RUNTIME_DIR: folder, TMPDIR: folder, HOME: folder })
  assert.equal(runFiles('test', {}).runDir, runDir)
})

test('a service that lives in the session directory is found there', async (t) => {
  const folder = tempFolder(t)
  const runDir = join(folder, 'helloserver')
  mkdirSync(runDir, { mode: 0o700 })
  const holder = await holdLock(t, filesIn(runDir, 'only-in-this-test'))
  setEnvironment(t, { XDG_RUNTIME_DIR: folder })
  assert.equal(runFiles('only-in-this-test', {}).runDir, runDir)
  holder.kill()
})

test('a directory that everybody may replace is refused', (t) => {
  const folder = tempFolder(t)
  chmodSync(folder, 0o777)
  mkdirSync(join(folder, 'run'), { mode: 0o700 })
  assert.throws(() => makeRunDir(filesIn(join(folder, 'run'))), {
    code: 'BAD_CONFIG',
    message:
      /can be replaced by any user, since every user may write to ".*"; set HELLOSERVER_RUN_DIR/,
  })
  chmodSync(folder, 0o1777)
  makeRunDir(filesIn(join(folder, 'run')))
})

test('the directory is made for its owner alone, whatever the umask', (t) => {
  const files = filesIn(unmade(t))
  const before = process.umask(0)
  t.after(() => process.umask(before))
  makeRunDir(files)
  assert.equal(modeOf(files.runDir), 0o700)
  makeRunDir(files)
})

test('a directory that only its owner writes is used as it is', (t) => {
  const files = filesIn(tempFolder(t))
  chmodSync(files.runDir, 0o755)
  makeRunDir(files)
  assert.equal(modeOf(files.runDir), 0o755)
})

test('a directory that others can write is refused, sticky or not', (t) => {
  for (const mode of [0o777, 0o1777, 0o702, 0o770, 0o720]) {
    const files = filesIn(tempFolder(t))
    chmodSync(files.runDir, mode)
    assert.throws(() => makeRunDir(files), {
      code: 'BAD_CONFIG',
      message:
        /can be written by others; set HELLOSERVER_RUN_DIR to a directory of your own, of mode 0700$/,
    })
  }
})

test('a symbolic link is refused, also one to a good directory: others may turn it', (t) => {
  const folder = tempFolder(t)
  mkdirSync(join(folder, 'real'), { mode: 0o700 })
  symlinkSync(join(folder, 'real'), join(folder, 'link'))
  assert.throws(() => makeRunDir(filesIn(join(folder, 'link'))), {
    code: 'BAD_CONFIG',
    message: /^The run directory ".*\/link" is a symbolic link/,
  })
})

test('a path that is no directory is refused with the variable to set', (t) => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'file'), '')
  symlinkSync(join(folder, 'nowhere', 'at', 'all'), join(folder, 'dangling'))
  for (const path of ['file', 'file/below', 'dangling']) {
    assert.throws(() => makeRunDir(filesIn(join(folder, path))), {
      code: 'BAD_CONFIG',
      message: /run directory .*HELLOSERVER_RUN_DIR/,
    })
  }
  rmSync(join(folder, 'dangling'))
})

test('a folder that the system refuses is an error, and is not retried for ever', () => {
  assert.throws(() => makeRunDir(filesIn('/proc/helloserver/run')), {
    code: 'BAD_CONFIG',
    message: /^Cannot use the run directory \/proc\/helloserver\/run: .*\(ENOENT\)/,
  })
})

test("every folder that is made on the way is its owner's alone", (t) => {
  const files = filesIn(unmade(t))
  makeRunDir(files)
  assert.equal(modeOf(dirname(files.runDir)), 0o700)
})
