import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, type TestContext } from 'node:test'
import { type BrowserContext, type Browser as Chromium, chromium, type Page } from 'playwright-core'
import { waitFor } from './wait-for.ts'

const axeSource = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8')

let running: Promise<Chromium> | undefined

/** The browser of this test file, started on first use: starting one takes longer than most tests. */
function started(): Promise<Chromium> {
  running ??= chromium.launch({
    executablePath: '/usr/bin/chromium-headless-shell',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-software-rasterizer',
      '--in-process-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  return running
}

after(async () => (await running)?.close())

/** A real browser with a fresh profile, closed after the test; it fails the test if a page reported an error. */
export class Browser {
  readonly #context: BrowserContext
  readonly #complaints: string[] = []
  /** Errors that the test provokes. */
  readonly #allow: readonly RegExp[]

  private constructor(context: BrowserContext, allow: readonly RegExp[]) {
    this.#context = context
    this.#allow = allow
  }

  static async open(t: TestContext, allow: readonly RegExp[] = []): Promise<Browser> {
    const context = await (await started()).newContext()
    const browser = new Browser(context, allow)
    t.after(async () => {
      await context.close()
      browser.#assertContent()
    })
    return browser
  }

  async visit(url: string): Promise<Page> {
    const page = await this.#context.newPage()
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.#complaints.push(message.text())
    })
    page.on('pageerror', (error) => this.#complaints.push(error.message))
    await page.goto(url)
    return page
  }

  #assertContent(): void {
    const unexpected = this.#complaints.filter((one) => !this.#allow.some((some) => some.test(one)))
    assert.deepEqual(unexpected, [], 'the browser complained')
  }
}

/** Waits until an element's text matches, and returns it. */
export function textOf(page: Page, selector: string, pattern: RegExp): Promise<string> {
  return waitFor(`${selector} to match ${pattern}`, async () => {
    const text = await page.locator(selector).first().textContent()
    return text !== null && pattern.test(text) ? text : undefined
  })
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
  }[]
}

/** Finds accessibility problems on a page, for users who see poorly or not at all. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  // Evaluated from outside, so the page's own policy does not apply.
  await page.evaluate(axeSource)
  const { violations } = await page.evaluate<AxeResults>('axe.run()')
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary ?? ''}`),
  )
}
