import assert from 'node:assert/strict'
import { test } from 'node:test'
import { http, page as pageConfig } from '../helpers/admin.ts'
import { accessibilityProblems, Browser, textOf } from '../helpers/browser.ts'
import { stop } from '../helpers/commands.ts'
import { freePort } from '../helpers/free-port.ts'
import { Hosts, ttlMs } from '../helpers/hosts.ts'
import { startIn } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

test('a host that stands by has the page, too: with the whole fleet, the lease, and that it is not ready', async (t) => {
  const browser = await Browser.open(t)
  const hosts = await Hosts.of(t)
  const holder = await hosts.start('web1')
  await hosts.start('web2')
  const sandbox = hosts.sandbox('web3')
  const port = await freePort()
  sandbox.configure(pageConfig(sandbox, port, { lease: { host: 'web3', ttlMs } }))
  const here = await startIn(sandbox)

  const ready = await http(port, '/readyz')
  assert.deepEqual([ready.status, ready.body], [503, 'standby\n'])
  const metrics = (await http(port, '/metrics')).body
  assert.match(metrics, /^helloserver_lease_held 0$/m)
  assert.match(metrics, /^helloserver_lease_exclusive 1$/m)
  assert.doesNotMatch(metrics, /^helloserver_lease_(token|valid_seconds) /m)

  const page = await browser.visit(`http://127.0.0.1:${port}/`)
  await textOf(page, '#state', /^standby$/)
  await textOf(page, '#lease', /^held by web1$/)
  await page.locator('#hosts tr').nth(2).waitFor()
  assert.deepEqual(await page.locator('#hosts th').allTextContents(), ['web1', 'web2', 'web3'])
  const states = page.locator('#hosts tr td:nth-of-type(1)')
  await waitFor('the states of all', async () => {
    return (await states.allTextContents()).join() === 'serving,standby,standby'
  })
  assert.deepEqual(await accessibilityProblems(page), [])

  await stop(holder)
  await waitFor('the stop on the page', async () => {
    return (await states.allTextContents())[0] === 'stopped'
  })
  await waitFor('a host that serves', async () => {
    return (await states.allTextContents()).includes('serving')
  })
  assert.equal((await http(port, '/healthz')).status, 200)
  assert.ok(['serving', 'standby'].includes((await here.status()).state))
})
