import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { page as pageConfig, token } from '../helpers/admin.ts'
import { accessibilityProblems, Browser, textOf } from '../helpers/browser.ts'
import { ask, Client } from '../helpers/client.ts'
import { reload, stop, tryReload } from '../helpers/commands.ts'
import { freePort } from '../helpers/free-port.ts'
import { Load } from '../helpers/load.ts'
import { Sandbox, type SandboxOptions, type Settings } from '../helpers/sandbox.ts'
import { counted, startIn } from '../helpers/service.ts'
import { upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

async function withPage(t: TestContext, options: SandboxOptions = {}, host = '127.0.0.1') {
  const sandbox = new Sandbox(t, options)
  const port = await freePort()
  const configure = (config: Settings = {}) =>
    sandbox.configure(pageConfig(sandbox, `${host}:${port}`, config))
  configure(options.config)
  const service = await startIn(sandbox)
  return { service, sandbox, configure, url: `http://127.0.0.1:${port}/` }
}

const broken = `throw new Error('the device database is away')`
const failing = { allow: [/Reload failed/] }

describe('the page in a browser', { concurrency: 2 }, () => {
  test('moves under load', async (t) => {
    const browser = await Browser.open(t)
    const { service, url } = await withPage(t, { config: { workers: 2 } })
    const page = await browser.visit(url)
    await textOf(page, '#state', /^serving$/)
    await textOf(page, '#busy', /^0 of 2 busy$/)
    const load = new Load(service.port, 8)
    t.after(() => void load.stop())
    const first = await textOf(page, '.lane .value', /^[1-9]/)
    await waitFor('another rate', async () => {
      return (await page.locator('.lane .value').first().textContent()) !== first
    })
    await textOf(page, '#wait', /ms$/)
    await waitFor('a worker that has served', async () => {
      const served = await page.locator('#workers tr td:nth-of-type(4)').allTextContents()
      return served.some((text) => Number(text.replace(',', '')) > 0)
    })
    const line = page.locator('.plot .first').first()
    await waitFor(
      'a line',
      async () => ((await line.getAttribute('d')) ?? '').split('L').length > 3,
    )
    const label = await page.locator('.plot svg').first().getAttribute('aria-label')
    assert.match(label ?? '', /^Connections, last five minutes: [\d.,]+ \/ s now, between/)
    const account = await textOf(page, '#account', /accepted[1-9]/)
    assert.match(account, /served[\d,]+failed0shed0expired0gone0queued\d+active\d+/)
  })

  test('shows reloads on the time line, and why one failed', async (t) => {
    const browser = await Browser.open(t)
    const { service, sandbox, url } = await withPage(t, failing)
    const page = await browser.visit(url)
    await textOf(page, '#state', /^serving$/)
    assert.ok(await page.locator('#alert').isHidden())
    await reload(service)
    await page.locator('.timeline .marker[data-kind="reload-done"]').waitFor()
    await page.locator('.plot .deploy[data-tone="good"]').first().waitFor({ state: 'attached' })
    await textOf(page, '#reload', /^done$/)
    await textOf(page, '#announcement', /^Reloaded in \d+ ms$/)
    sandbox.writeApp(broken)
    assert.equal((await tryReload(service)).outcome, 'failed')
    const marker = page.locator('.timeline .marker[data-kind="reload-failed"]')
    await marker.waitFor()
    assert.match((await marker.getAttribute('title')) ?? '', /the device database is away/)
    await textOf(page, '#alert', /the device database is away.*\(in step "canary"\)/)
    await textOf(page, '#events li[data-kind="reload-failed"]', /the device database is away/)
    await textOf(page, '#state', /^serving$/)
  })

  test('has a row for each worker that there is, and for none that there was', async (t) => {
    const browser = await Browser.open(t)
    const { service, url } = await withPage(t, { config: { workers: 2 } })
    const page = await browser.visit(url)
    const rows = (count: number) =>
      waitFor(`${count} workers`, async () => (await page.locator('#workers tr').count()) === count)
    await rows(2)
    for (const _ of [1, 2]) {
      const holder = await Client.connect(service.port)
      await counted(service, { active: 1 })
      await reload(service)
      // One of the old ones has somebody in hand.
      await rows(3)
      await holder.send('\r\n')
      await holder.ending()
      await rows(2)
    }
  })

  test('has the word of a deploy beside it, whatever else happened at that time', async (t) => {
    const browser = await Browser.open(t)
    const { service, url } = await withPage(t)
    const page = await browser.visit(url)
    await textOf(page, '#state', /^serving$/)
    const second = (seq: number) => new Date(seq * 1_000).toISOString()
    const events = ['scaled', 'reload-failed', 'scaled', 'started'].map((kind, at) => {
      const seq = kind === 'started' ? 200 : at
      return { seq, at: second(seq), kind, text: kind }
    })
    const status = { ...(await service.status()), events }
    const look = { atMs: 290_000, perSecond: 0, queued: 0 }
    const body = [
      `event: hello\ndata: ${JSON.stringify({ canAct: true, history: [] })}\n\n`,
      `event: status\ndata: ${JSON.stringify({ look, status })}\n\n`,
    ].join('')
    await page.route('**/api/live', (route) => route.fulfill({ body }))
    await page.reload()
    await textOf(page, '.timeline .marker-label[data-kind="started"]', /^started$/)
    const words = await page.locator('.timeline .marker-label').allTextContents()
    assert.deepEqual(words.toSorted(), ['reload failed', 'started'])
  })

  test('says in words why it is not let in', async (t) => {
    const browser = await Browser.open(t, [/421/])
    const { url } = await withPage(t)
    const page = await browser.visit(url)
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ error: { message: 'Too many requests; ask again later' } })
    await page.route('**/api/live', (route) => route.fulfill({ status: 421, headers, body }))
    await page.reload()
    await textOf(page, '#link', /^Too many requests; ask again later$/)
  })

  test('lets who has the token reload and scale, and tells who has not', async (t) => {
    const browser = await Browser.open(t, [/401/])
    const { service, url } = await withPage(t)
    const page = await browser.visit(url)
    await page.locator('#token').fill('a token that is wrong')
    assert.ok(await page.locator('#buttons').isHidden())
    await page.getByRole('button', { name: 'Unlock' }).click()
    await textOf(page, '#outcome', /^The token is missing or wrong$/)
    await page.locator('#token').fill(token)
    await page.getByRole('button', { name: 'Unlock' }).click()
    await page.getByRole('button', { name: 'Reload' }).click()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Reload' }).click()
    await page.getByRole('button', { name: 'Yes' }).click()
    await textOf(page, '#outcome', /^Reloaded in \d+ ms\.$/)
    assert.equal((await service.status()).generation, 2)
    await page.getByRole('spinbutton', { name: 'Workers' }).fill('3')
    await page.getByRole('button', { name: 'Scale' }).click()
    await page.getByRole('button', { name: 'Yes' }).click()
    await textOf(page, '#outcome', /^Scaled to 3 workers/)
    await textOf(page, '#busy', /^0 of 3 busy$/)
  })

  test('shows nothing without the token where others can reach it', async (t) => {
    const browser = await Browser.open(t, [/401/])
    const { url } = await withPage(t, {}, '0.0.0.0')
    const page = await browser.visit(url)
    await page.getByRole('textbox', { name: 'Token' }).fill('a token that is wrong')
    await page.getByRole('button', { name: 'Show' }).click()
    await textOf(page, '#denied-outcome', /^The token is missing or wrong$/)
    assert.ok(await page.locator('#content').isHidden())
    assert.deepEqual(await accessibilityProblems(page), [])
    await page.getByRole('textbox', { name: 'Token' }).fill(token)
    await page.getByRole('button', { name: 'Show' }).click()
    await textOf(page, '#state', /^serving$/)
    assert.ok(await page.locator('#content').isVisible())
  })

  test('goes on with the successor after an upgrade, and says when the service is gone', async (t) => {
    const browser = await Browser.open(t, [/ERR_/])
    const { service, url } = await withPage(t)
    const page = await browser.visit(url)
    await textOf(page, '#pid', new RegExp(`^${service.pid}$`))
    const { pid } = await upgrade(service)
    await textOf(page, '#pid', new RegExp(`^${pid}$`))
    await page.locator('.timeline .marker[data-kind="upgraded"]').waitFor()
    await stop(service)
    await textOf(page, '#link', /^Connection lost/)
    await textOf(page, '#announcement', /^The connection to the service is lost$/)
  })

  test('can be used without seeing it well: light, dark, and as narrow as a phone', async (t) => {
    const browser = await Browser.open(t)
    const { service, sandbox, url } = await withPage(t, { ...failing, config: { workers: 3 } })
    for (const _ of [1, 2, 3]) await ask(service.port, 'a\r\n')
    await reload(service)
    sandbox.writeApp(broken)
    await tryReload(service)
    const page = await browser.visit(url)
    await textOf(page, '#reload', /^failed$/)
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [1_280, 360]) {
        await page.emulateMedia({ colorScheme })
        await page.setViewportSize({ width, height: 800 })
        assert.deepEqual(await accessibilityProblems(page), [], `${colorScheme}, ${width} wide`)
        const isWide = 'document.documentElement.scrollWidth > document.documentElement.clientWidth'
        assert.equal(await page.evaluate(isWide), false, `${width} is too narrow`)
      }
    }
  })
})
