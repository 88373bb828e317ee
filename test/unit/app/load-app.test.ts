import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { appError, loadApp } from '../../../src/app/load-app.ts'
import { hostileValues } from '../support/hostile-values.ts'
import { tempFolder } from '../support/temp-folder.ts'

function appFile(t: TestContext, source: string): string {
  const path = join(tempFolder(t), 'app.mjs')
  writeFileSync(path, source)
  return path
}

test('the default export of a module is the app', async (t) => {
  const app = await loadApp(appFile(t, 'export default { handle() { return 7 } }'))
  assert.equal(typeof app.handle, 'function')
})

test('a path may have characters that mean something in a URL', async (t) => {
  const path = join(tempFolder(t), 'a b#c%20?.mjs')
  writeFileSync(path, 'export default { handle() {} }')
  await loadApp(path)
})

for (const source of [
  '',
  'export default null',
  'export default function handle() {}',
  'export default {}',
  'export default { handle: 7 }',
  'export const handle = () => {}',
]) {
  test(`a module with ${JSON.stringify(source)} is no app`, async (t) => {
    const path = appFile(t, source)
    await assert.rejects(loadApp(path), {
      code: 'APP_FAILED',
      message: new RegExp(`^The app ${path} has no default export with a handle function(;|$)`),
    })
  })
}

test('an app that a compiler made CommonJS is one level deeper', async (t) => {
  const folder = tempFolder(t)
  const write = (name: string, source: string) => {
    writeFileSync(join(folder, name), source)
    return join(folder, name)
  }
  const compiled = `Object.defineProperty(exports, '__esModule', { value: true })
    exports.default = { handle() {} }`
  for (const path of [
    write('compiled.cjs', compiled),
    write('plain.cjs', 'module.exports = { handle() {} }'),
  ]) {
    assert.equal(typeof (await loadApp(path)).handle, 'function')
  }
})

test('an app that exports handle by name is told so', async (t) => {
  await assert.rejects(loadApp(appFile(t, 'export const handle = () => {}')), {
    message: /; it exports handle by name, so export an object$/,
  })
})

test('a module that is missing is named in one line, with the module that asks for it', async (t) => {
  const folder = tempFolder(t)
  const refused = async (name: string, source: string) => {
    const path = join(folder, name)
    writeFileSync(path, source)
    const error: unknown = await loadApp(path).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof Error)
    return error.message
  }
  assert.equal(
    await refused('a.mjs', `import './gone.mjs'`),
    `The app ${folder}/a.mjs failed to load: Cannot find module '${folder}/gone.mjs' imported from ${folder}/a.mjs`,
  )
  assert.equal(
    await refused('b.cjs', `require('./gone.cjs')`),
    `The app ${folder}/b.cjs failed to load: Cannot find module './gone.cjs' (${folder}/b.cjs:1)`,
  )
  assert.equal(
    await refused('c.cjs', 'module.exports = {\n  handle() { const x = ; }\n}'),
    `The app ${folder}/c.cjs failed to load: Unexpected token ';' (${folder}/c.cjs:2)`,
  )
})

test('an error of several lines becomes one', () => {
  assert.match(appError('It failed', new Error('one\n  two\n')).message, /^It failed: one two \(/)
})

test('an app that throws while it is loaded is refused, with the place', async (t) => {
  const path = appFile(t, '\nthrow new Error("no database")')
  await assert.rejects(loadApp(path), {
    code: 'APP_FAILED',
    message: `The app ${path} failed to load: no database (${path}:2)`,
  })
})

test('a syntax error is placed, in whichever file of the app it is', async (t) => {
  const folder = join(tempFolder(t), 'a folder (ü)')
  mkdirSync(folder)
  const refused = async (files: Readonly<Record<string, string>>, message: string) => {
    for (const [file, source] of Object.entries(files)) writeFileSync(join(folder, file), source)
    const [module = ''] = Object.keys(files)
    await assert.rejects(loadApp(join(folder, module)), {
      code: 'APP_FAILED',
      message: `The app ${folder}/${module} failed to load: ${message}`,
    })
  }
  await refused({ 'a.mjs': `\nexport default {` }, `Unexpected end of input (${folder}/a.mjs:2)`)
  await refused(
    {
      'b.mjs': `import './fine.mjs'\nimport './bad.mjs'`,
      'fine.mjs': '',
      'bad.mjs': `\n\nconst x = ;`,
    },
    `Unexpected token ';' (${folder}/bad.mjs:3)`,
  )
  await refused({ 'c.cjs': '\nconst x = ;' }, `Unexpected token ';' (${folder}/c.cjs:2)`)
  await refused(
    { 'later.mjs': `await import('./bad.mjs')` },
    `Unexpected token ';' (${folder}/bad.mjs:3)`,
  )
  await refused(
    { 'other.mjs': `throw new SyntaxError('odd')\nimport('./bad.mjs')` },
    `odd (${folder}/other.mjs:1)`,
  )
  await refused({ 'd.mjs': `\nthrow new Error('no')` }, `no (${folder}/d.mjs:2)`)
  await refused({ 'e.cjs': `\nthrow new Error('no')` }, `no (${folder}/e.cjs:2)`)
})

test('a syntax error among more files than an argument could name is placed', async (t) => {
  const folder = tempFolder(t)
  // An argument of a program has 128 KiB at most (execve(2)).
  const names = Array.from({ length: 700 }, (_, at) => `${'x'.repeat(200)}${at}.mjs`)
  for (const name of names) writeFileSync(join(folder, name), '')
  writeFileSync(join(folder, 'bad.mjs'), 'const x = ;')
  const app = join(folder, 'app.mjs')
  writeFileSync(app, [...names, 'bad.mjs'].map((name) => `import './${name}'`).join('\n'))
  await assert.rejects(loadApp(app), {
    code: 'APP_FAILED',
    message: `The app ${app} failed to load: Unexpected token ';' (${folder}/bad.mjs:1)`,
  })
})

test('the search for a syntax error takes one process, however many files there are, and runs none', async (t) => {
  const folder = tempFolder(t)
  const write = (name: string, source: string) => {
    writeFileSync(join(folder, name), source)
    return join(folder, name)
  }
  const [started, ran] = ['started', 'ran'].map((name) => write(name, ''))
  const noting = (record = '') =>
    `require('node:fs').appendFileSync(${JSON.stringify(record)}, process.pid + '\\n')\n`
  const hook = write('hook.cjs', noting(started))
  const { NODE_OPTIONS: before } = process.env
  process.env['NODE_OPTIONS'] = `${before ?? ''} --require ${hook}`
  t.after(() => {
    if (before === undefined) delete process.env['NODE_OPTIONS']
    else process.env['NODE_OPTIONS'] = before
  })
  const names = Array.from({ length: 5 }, (_, at) => `${at}.mjs`)
  const asModule = `import { createRequire } from 'node:module'
    const require = createRequire(import.meta.url)\n`
  for (const name of names) write(name, `${asModule}${noting(ran)}`)
  write('bad.mjs', 'const x = ;')
  const imports = names.map((name) => `import './${name}'`).join('\n')
  const app = write('app.mjs', `${imports}\nawait import('./bad.mjs')`)
  await assert.rejects(loadApp(app), {
    message: `The app ${app} failed to load: Unexpected token ';' (${folder}/bad.mjs:1)`,
  })
  const pids = [started, ran].map((record = '') => readFileSync(record, 'utf8').trim().split('\n'))
  assert.equal(pids[0]?.length, 1, 'processes were started')
  // By this process, before it came to the error.
  assert.deepEqual(
    pids[1],
    names.map(() => String(process.pid)),
  )
})

test('an app that is not there is refused', async (t) => {
  await assert.rejects(loadApp(join(tempFolder(t), 'none.mjs')), { code: 'APP_FAILED' })
})

test('an app that is something else is told what to export', async (t) => {
  for (const [source, problem] of [
    ['export default function handle() {}', 'exports a function or class, so export an object'],
    ['export default class { handle() {} }', 'exports a function or class, so export an object'],
    ['export default Promise.resolve({ handle() {} })', 'exports a promise, so export its result'],
    ['export default { handle() {}, setup: 7 }', 'has a "setup" that is not a function'],
    ['export default { handle() {}, teardown: {} }', 'has a "teardown" that is not a function'],
    ['export default { get handle() { throw new Error("no") } }', 'failed to load: no (/'],
  ] as const) {
    const path = appFile(t, source)
    await assert.rejects(loadApp(path), ({ code, message }: { code?: string; message: string }) => {
      assert.equal(code, 'APP_FAILED')
      assert.ok(message.startsWith(`The app ${path} `) && message.includes(problem), message)
      return true
    })
  }
  const path = appFile(t, 'export default { handle() {}, setup: null, teardown: undefined }')
  await loadApp(path)
})

test('whatever an app throws becomes a sentence, and is kept as the cause', () => {
  const { message, cause } = appError('The app failed in setup', 'a text')
  assert.deepEqual([message, cause], ['The app failed in setup: a text', 'a text'])
})

test('an error whose properties throw becomes a sentence, too', () => {
  for (const value of hostileValues()) {
    assert.match(appError('The app failed in setup', value).message, /^The app failed in setup: /)
  }
})
