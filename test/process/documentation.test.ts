import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ownRoot } from '../../src/config/locate.ts'
import {
  blockCommands,
  codeIn,
  type DocumentedCommand,
  inlineCommands,
  pages,
  textOf,
} from '../helpers/documentation.ts'
import { newerNode } from '../helpers/newer-node.ts'
import { noOwnHosts } from '../helpers/own-host.ts'
import { Reader } from '../helpers/reader.ts'

/** Commands that no test can run as they are, each with its reason; a part of a command stands for all that begin so. */
const notRun: Readonly<Record<string, string>> = {
  'npm test': 'in a clone, it is this suite',
  'npm ci': 'whoever runs this test has done so',
  'npm run bench': 'takes minutes',
  'npm run bench:lease': 'takes minutes',
  'npm run compare': 'takes minutes',
  'npm run soak': 'takes minutes; the suite plays the same events once',
  'npm run matrix': 'takes minutes',
  'docker run': 'needs Docker; containers.test.ts runs the same in namespaces',
  'docker stop': 'needs Docker; containers.test.ts sends the same signal',
  'cp docs/systemd/helloserver.* /etc/systemd/system/':
    'would change this machine; systemd.test.ts checks the units',
  'kill -9': 'rescue.test.ts does so, and looks at what goes on',
  systemctl: 'needs systemd as the first process; systemd.test.ts plays its part',
  'journalctl -u helloserver': 'needs systemd as the first process',
  'ssh -L': 'needs another host',
  'tsc --watch': "is TypeScript's own",
  'promtool test rules': "a page's mention; admin-metrics.test.ts runs it on the rules",
}

const signal = (name: string) => `kill -${name} $(cat /run/helloserver/helloserver.pid)`
const untilGone = 'while [ -e /run/helloserver/helloserver.pid ]; do sleep 0.1; done'

suite('the documentation', { skip: noOwnHosts() ?? false }, () => {
  test('every command of the documentation works, or has a reason why no test runs it', async (t) => {
    const reader = await Reader.make(t, newerNode())
    await t.test('README: in your project', () => inYourProject(reader))
    await t.test('docs/apps.md', () => apps(reader))
    await t.test('docs/monitoring.md', () => monitoring(reader))
    await t.test('docs/from-net-server.md', () => fromNetServer(reader))
    await t.test('README: in a clone, and docs/operations.md', () => inAClone(reader))
    await t.test('docs/network.md', () => network(reader))
    await t.test('README of the bundled apps', () => bundledApps(reader))
    await t.test('docs/fleet.md', () => fleet(reader))
    await t.test('nothing is left out', () => assertComplete(reader.typed))
  })
})

async function inYourProject(reader: Reader): Promise<void> {
  await reader.does('mkdir /tmp/shout')
  reader.folder = '/tmp/shout'
  await reader.types('npx helloserver init --yes', { isOnline: true })
  await reader.types('npm install', { isOnline: true })
  await reader.types('npm start', { shows: /listen +0\.0\.0\.0:30153/ })
  await reader.types('npm test')
  const hello = blockCommands('README.md').find(({ output }) => output !== undefined)
  assert.ok(hello)
  assert.equal(await reader.types(hello.text), hello.output?.replaceAll('\n', '\r\n'))
  await reader.does(`sed -i 's/toUpperCase()/&.repeat(2)/' apps/shout/app.*`)
  await reader.types('npm run reload', { shows: /reloaded in/ })
  await reader.does(hello.text, { shows: /^HELLO\r\nHELLO\r\n$/ })
  const status = await reader.does('npx helloserver status --json')
  assert.equal((JSON.parse(status) as { connections: { failed: number } }).connections.failed, 0)
  await reader.types('npm stop', { shows: /stopped/ })
  await reader.watches('npx helloserver run --example echo', /Serving/)
}

async function apps(reader: Reader): Promise<void> {
  const page = 'docs/apps.md'
  reader.write('apps/greeter/app.ts', codeIn(page, ['ts'], 'context.settings.greeting'))
  const [, config = ''] = /^with `(\{.*\})` beside it/m.exec(textOf(page)) ?? []
  reader.write('apps/greeter/config.json', config)
  await reader.types('npx helloserver check --name greeter', { shows: /app\.ts loads/ })
  await reader.types('npx helloserver start --name greeter')
  await reader.does(`printf 'Ada\\r\\n' | nc 127.0.0.1 30155`, { shows: /^Hello, Ada\r\n$/ })
  await reader.types('npx helloserver init --name greeter', { shows: /config\.json: exists/ })
  await reader.does('npx helloserver stop --name greeter')
  await reader.types('npx helloserver start --example echo')
  await reader.does('npx helloserver stop --name echo')
  await reader.watches('npx helloserver dev greeter', /try it/, () =>
    reader.types('npx helloserver status --name greeter-dev', { shows: /serving/ }),
  )
  await reader.watches('npx helloserver dev greeter --port 0', /try it/)
  await reader.types('npx helloserver help dev', { shows: /--port/ })
}

async function monitoring(reader: Reader): Promise<void> {
  const settings = codeIn('docs/monitoring.md', ['json'], 'tokenFile')
  reader.write('apps/greeter/config.json', settings.replace('/etc/helloserver/', '../../'))
  reader.write('token', 'a-token-of-at-least-16-characters\n')
  await reader.does('chmod 600 token && npx helloserver start --name greeter')
  await reader.types(
    'curl -H "Authorization: Bearer $(cat token)" -X POST http://127.0.0.1:30154/api/reload',
    { shows: /"outcome":"done"/ },
  )
  await reader.does('npx helloserver stop --name greeter')
}

async function fromNetServer(reader: Reader): Promise<void> {
  const page = 'docs/from-net-server.md'
  await reader.does('mkdir /tmp/stock && cp -al node_modules package-lock.json /tmp/stock')
  reader.folder = '/tmp/stock'
  reader.write('package.json', '{ "name": "stock", "type": "module" }\n')
  reader.write('server.js', codeIn(page, ['js'], 'createServer'))
  await reader.types('npx helloserver init --name stock --yes', {
    shows: /stock\/app\.ts: written/,
  })
  await reader.types('npm install', { isOnline: true })
  reader.write('apps/stock/app.ts', codeIn(page, ['js'], 'defineApp'))
  reader.write('apps/stock/config.json', codeIn(page, ['json'], 'maxLineBytes'))
  const ask = blockCommands(page).find(({ text }) => text.includes('nc '))
  assert.ok(ask)
  const until = 'until nc -z 127.0.0.1 4000; do sleep 0.1; done'
  const plain = `node server.js & { ${until}; ${ask.text}; kill $!; }`
  await reader.does(plain, { shows: /^5\r\n$/ })
  await reader.types('npm start')
  await reader.types(ask.text, { shows: /^5\r\n$/ })
  await reader.types('npm run reload')
  await reader.types('npm stop')
}

async function inAClone(reader: Reader): Promise<void> {
  reader.folder = ownRoot
  const isGone = () => reader.does(untilGone)
  await reader.types('npm start', { shows: /serves on 0\.0\.0\.0:30153/ })
  await reader.types('npx helloserver check', { shows: /app\.js loads/ })
  await reader.types('helloserver status', { shows: /serving/ })
  await reader.types('node dist/src/bin/cli.js status', { shows: /serving/ })
  await reader.types('helloserver logs')
  await reader.types('pm2 ls', { shows: /helloserver.*online/ })
  const description = await reader.types('pm2 describe helloserver')
  for (const row of rowsOf('docs/operations.md', 'Module name')) assert.match(description, row)
  await reader.types('ulimit -n')
  await reader.types('ulimit -u')

  await reader.types('npx helloserver reload', { shows: /reloaded in/ })
  await reader.types('npx pm2 reload helloserver')
  await reader.types('pm2 reload ecosystem.config.js')
  await reader.types('npx helloserver upgrade', { shows: /upgraded/ })
  await reader.types('npx pm2 restart helloserver')
  await reader.types('pm2 sendSignal SIGHUP helloserver')
  await reader.types(signal('HUP'))
  await reader.types(signal('USR2'))
  await reader.types(signal('CONT'))
  await reader.types('npx helloserver scale 8', { shows: /8/ })
  await reader.types('helloserver scale 3', { shows: /3/ })
  await reader.types('pm2 scale helloserver 3')
  await reader.types('helloserver log-level debug')
  await reader.watches('helloserver top', /q quit/)
  // pm2 draws with moves of the cursor between words.
  await reader.watches('npx pm2 monit', /Conn\/s/)
  await reader.watches('npx pm2 logs helloserver', /"service":"helloserver"/)

  for (const { text, output = '' } of blockCommands('docs/operations.md')) {
    if (!text.startsWith('pm2 trigger')) continue
    const answered = await reader.types(text)
    assert.ok(haveSameFields(answerIn(answered), answerIn(output)), `${text} printed:\n${answered}`)
  }
  await isGone()
  await reader.types('npx pm2 start ecosystem.config.js')
  await reader.types('helloserver restart', { shows: /serves/ })
  await reader.types('npx pm2 start ecosystem.config.js')
  await reader.types('npx pm2 stop helloserver')
  await isGone()
  await reader.types('npx pm2 start ecosystem.config.js')
  await reader.types('npx pm2 sendSignal SIGTERM helloserver')
  await isGone()
  await reader.types('pm2 delete helloserver')

  await reader.types('npx helloserver start')
  await reader.types(signal('USR1'))
  await isGone()
  await reader.does('npx helloserver start')
  await reader.types(signal('TERM'))
  await isGone()
  await reader.watches('helloserver run', /Serving/)
  await reader.does('npx helloserver start')
  await reader.types('HELLOSERVER_RUN_DIR=/run/helloserver helloserver status')
  await reader.types('npx helloserver stop', { shows: /stopped/ })
  await reader.types('pm2 start dist/src/bin/bridge.cjs --name helloserver')
  // Without "wait_ready", pm2 does not wait for it.
  await reader.does('until npx helloserver status; do sleep 0.2; done')
  await reader.does('npx pm2 delete helloserver')
  await isGone()
}

async function network(reader: Reader): Promise<void> {
  reader.folder = '/tmp/shout'
  const [start, ask] = blockCommands('docs/network.md')
  assert.ok(start && ask)
  await reader.types(start.text)
  await reader.types(ask.text, { shows: /^hello\r\n$/ })
  await reader.does('npx helloserver stop --name echo')
}

/** In a clone of the person's own, since they change it and the gateway stores messages in it. */
async function bundledApps(reader: Reader): Promise<void> {
  const ecosystem = `${ownRoot}/ecosystem.config.js`
  await reader.does(`mkdir /tmp/clone && cp -r ${ownRoot}/apps ${ownRoot}/package.json /tmp/clone`)
  reader.folder = '/tmp/clone'
  await reader.does(`ln -s ${ownRoot}/dist ${ownRoot}/node_modules .`)
  await reader.does(`sed 's|// service|service|' ${ecosystem} > ecosystem.config.js`)
  const shown: readonly (readonly [string, RegExp])[] = [
    ['whois -h', /holder: +Example Holdings/],
    ['nc -N 127.0.0.1 2575', /MSA\|AA\|42/],
    ['ls apps/mllp/messages', /^42-\w+\.hl7$/m],
  ]
  for (const { text } of ['mllp', 'whois'].flatMap((app) =>
    blockCommands(`apps/${app}/README.md`),
  )) {
    const [, shows = /^/] = shown.find(([part]) => text.includes(part)) ?? []
    await reader.types(text, { shows })
  }
  const half = 'printf example.test | nc -N 127.0.0.1 4343'
  await reader.types(half, { shows: /holder: +Example Holdings/ })
  await reader.does('npx pm2 delete whois')
}

async function fleet(reader: Reader): Promise<void> {
  reader.folder = ownRoot
  for (const { text } of blockCommands('docs/fleet.md')) {
    // The comments in the block are the outcomes.
    if (text === 'HELLOSERVER_RUN_DIR=/tmp/hs-a npx helloserver stop') {
      const at = 'HELLOSERVER_RUN_DIR=/tmp/hs-a'
      await reader.types(`${at} helloserver fleet`, { shows: /hs-b/ })
      await reader.types(`${at} helloserver fleet forget web-9`, { status: 1, shows: /web-9/ })
      await reader.types(`${at} helloserver fleet clear 0123`, { status: 1, shows: /0123/ })
    }
    await reader.types(text)
  }
}

function assertComplete(typed: readonly string[]): void {
  for (const page of pages()) {
    const inBlocks = blockCommands(page)
    for (const command of inBlocks) {
      assert.ok(
        typed.includes(command.text) || reasonFor(command.text) !== undefined,
        `${placeOf(command)}: no test runs this, and no reason is given`,
      )
    }
    for (const command of inlineCommands(page)) {
      assert.ok(
        typed.some((one) => begins(one, command.text)) || reasonFor(command.text) !== undefined,
        `${placeOf(command)}: no test runs this, and no reason is given`,
      )
    }
  }
  const documented = pages().flatMap((page) => blockCommands(page).concat(inlineCommands(page)))
  for (const part of Object.keys(notRun)) {
    assert.ok(
      documented.some(({ text }) => begins(text, part)),
      `The documentation does not have "${part}" any more`,
    )
  }
  for (const command of typed) {
    assert.ok(
      documented.some(({ text }) => begins(command, text)),
      `The documentation does not have "${command}" any more`,
    )
  }
}

function placeOf({ page, line, text }: DocumentedCommand): string {
  return `${page}:${line}: ${text}`
}

function reasonFor(command: string): string | undefined {
  return Object.entries(notRun).find(([part]) => begins(command, part))?.[1]
}

/** Whether a command begins with a mention of it, up to the mention's first placeholder; it may set variables more. */
function begins(command: string, mention: string): boolean {
  const words = (text: string) => text.replace(/^npx /, '').split(' ')
  const whole = words(/^\w+=/.test(mention) ? command : command.replace(/^(?:\w+=\S+ )+/, ''))
  const mentioned = words(mention)
  const end = mentioned.findIndex((word) => /^[[<(]|^[A-Z]+$/.test(word))
  return mentioned.slice(0, end < 0 ? undefined : end).every((word, at) => whole[at] === word)
}

/** The answer that `pm2 trigger` has printed. */
function answerIn(output: string): unknown {
  const [, json = ''] = /^\[helloserver:\d+:default\]=(.*)$/m.exec(output) ?? []
  return JSON.parse(json)
}

/** Whether two answers have the same fields; where one has nothing, such as no lease, the other may have anything. */
function haveSameFields(one: unknown, other: unknown): boolean {
  if (one === null || other === null) return true
  if (Array.isArray(one) || Array.isArray(other)) return Array.isArray(one) && Array.isArray(other)
  if (typeof one !== 'object' || typeof other !== 'object') return typeof one === typeof other
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])]
  return names.every(
    (name) =>
      name in one &&
      name in other &&
      haveSameFields(one[name as keyof typeof one], other[name as keyof typeof other]),
  )
}

/** The names in the first column of a drawn table. */
function rowsOf(page: string, containing: string): RegExp[] {
  const table = codeIn(page, [''], containing)
  return [...table.matchAll(/^│ (\w[\w ]*?) +│/gm)].map(
    ([, name = '']) => new RegExp(`│ ${name} +│`),
  )
}
