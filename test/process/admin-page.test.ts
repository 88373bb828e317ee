import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { page as pageConfig, token } from '../helpers/admin.ts'
import { accessibilityProblems, Browser, textOf } from '../helpers/browser.ts'
import { reload, stop, tryReload } from '../helpers/commands.ts'
import { freePort } from '../helpers/free-port.ts'
import { Load } from '../helpers/load.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import { type Service, startIn } from '../helpers/service.ts'
import { held, upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

const broken = `throw new Error('the device database is away')`

/** Waits until as many workers have a row. */
const rowsAre = (page: Page, count: number) =>
  waitFor(`${count} workers`, async () => (await page.locator('#workers tr').count()) === count)

async function moves(page: Page, service: Service): Promise<void> {
  await textOf(page, '#state', /^serving$/)
  await textOf(page, '#busy', /^0 of 2 busy$/)
  const load = new Load(service.port, 8)
  try {
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
  } finally {
    await load.stop()
  }
}

async function hasRows(page: Page, service: Service): Promise<void> {
  await rowsAre(page, 2)
  for (const _ of [1, 2]) {
    const holder = await held(service)
    await reload(service)
    // One of the old ones has somebody in hand.
    await rowsAre(page, 3)
    await holder.send('\r\n')
    await holder.ending()
    await rowsAre(page, 2)
  }
}

async function showsReloads(page: Page, service: Service): Promise<void> {
  await textOf(page, '#state', /^serving$/)
  assert.ok(await page.locator('#alert').isHidden())
  await reload(service)
  await page.locator('.timeline .marker[data-kind="reload-done"]').first().waitFor()
  await page.locator('.plot .deploy[data-tone="good"]').first().waitFor({ state: 'attached' })
  await textOf(page, '#reload', /^done$/)
  await textOf(page, '#announcement', /^Reloaded in \d+ ms$/)
  service.sandbox.writeApp(broken)
  assert.equal((await tryReload(service)).outcome, 'failed')
  const marker = page.locator('.timeline .marker[data-kind="reload-failed"]')
  await marker.waitFor()
  assert.match((await marker.getAttribute('title')) ?? '', /the device database is away/)
  await textOf(page, '#alert', /the device database is away.*\(in step "canary"\)/)
  await textOf(page, '#events li[data-kind="reload-failed"]', /the device database is away/)
  await textOf(page, '#state', /^serving$/)
}

async function isAccessible(page: Page): Promise<void> {
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
  await page.setViewportSize({ width: 1_280, height: 800 })
}

async function showsDeploysFirst(page: Page, service: Service): Promise<void> {
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
  await page.unroute('**/api/live')
}

async function saysWhyNot(page: Page): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ error: { message: 'Too many requests; try again later' } })
  await page.route('**/api/live', (route) => route.fulfill({ status: 421, headers, body }))
  await page.reload()
  await textOf(page, '#link', /^Too many requests; try again later$/)
  await page.unroute('**/api/live')
}

async function obeysTheToken(page: Page, service: Service): Promise<void> {
  const reloads = async () => {
    const { events } = await service.status()
    return events.filter(({ kind }) => kind === 'reload-done').length
  }
  const before = await reloads()
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
  assert.equal(await reloads(), before + 1)
  await page.getByRole('spinbutton', { name: 'Workers' }).fill('3')
  await page.getByRole('button', { name: 'Scale' }).click()
  await page.getByRole('button', { name: 'Yes' }).click()
  await textOf(page, '#outcome', /^Scaled to 3 workers/)
  await textOf(page, '#busy', /^0 of 3 busy$/)
}

async function isLocked(page: Page): Promise<void> {
  await page.getByRole('textbox', { name: 'Token' }).fill('a token that is wrong')
  await page.getByRole('button', { name: 'Show' }).click()
  await textOf(page, '#denied-outcome', /^The token is missing or wrong$/)
  assert.ok(await page.locator('#content').isHidden())
  assert.deepEqual(await accessibilityProblems(page), [])
  await page.getByRole('textbox', { name: 'Token' }).fill(token)
  await page.getByRole('button', { name: 'Show' }).click()
  await textOf(page, '#state', /^serving$/)
  assert.ok(await page.locator('#content').isVisible())
}

test('the page in a browser', async (t) => {
  const sandbox = new Sandbox(t, { allow: [/Reload failed/] })
  const port = await freePort()
  sandbox.configure(pageConfig(sandbox, port, { workers: 2 }))
  const service = await startIn(sandbox)
  const url = `http://127.0.0.1:${port}/`

  await t.test('for a viewer', async (view) => {
    const page = await (await Browser.open(view)).visit(url)
    await view.test('moves under load', () => moves(page, service))
    await view.test('has a row for each worker that there is, and for none that there was', () =>
      hasRows(page, service),
    )
    await view.test('shows reloads on the time line, and why one failed', () =>
      showsReloads(page, service),
    )
    await view.test(
      'can be used without seeing it well: light, dark, and as narrow as a phone',
      () => isAccessible(page),
    )
    await view.test('has the word of a deploy beside it, whatever else happened then', () =>
      showsDeploysFirst(page, service),
    )
  })
  sandbox.writeApp()

  await t.test('for a user who acts', async (view) => {
    const page = await (await Browser.open(view, [/401/])).visit(url)
    await view.test('lets who has the token reload and scale, and tells who has not', () =>
      obeysTheToken(page, service),
    )
  })

  await t.test('says in words why it is not let in', async (view) => {
    const page = await (await Browser.open(view, [/421/])).visit(url)
    await saysWhyNot(page)
  })

  await t.test('shows nothing without the token where others can reach it', async (view) => {
    const open = await freePort()
    sandbox.configure(pageConfig(sandbox, `0.0.0.0:${open}`))
    await reload(service)
    const page = await (await Browser.open(view, [/401/])).visit(`http://127.0.0.1:${open}/`)
    await isLocked(page)
  })
  sandbox.configure(pageConfig(sandbox, port))
  await reload(service)

  await t.test('goes on with the successor, and says when the service is gone', async (view) => {
    const page = await (await Browser.open(view, [/ERR_/])).visit(url)
    await textOf(page, '#pid', new RegExp(`^${service.pid}$`))
    const { pid } = await upgrade(service)
    await textOf(page, '#pid', new RegExp(`^${pid}$`))
    await page.locator('.timeline .marker[data-kind="upgraded"]').waitFor()
    await stop(service)
    await textOf(page, '#link', /^Connection lost/)
    await textOf(page, '#announcement', /^The connection to the service is lost$/)
  })
})
