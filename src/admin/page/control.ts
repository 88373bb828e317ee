import { byId, show } from './dom.ts'
import { hasToken, keepToken, post, tryToken } from './token.ts'

/** The actions open to a user with the token. */
export class Control {
  #workers = 0

  constructor() {
    onSubmit('token-form', async () => {
      await enter('token', 'outcome')
      this.#refresh()
    })
    onSubmit('scale-form', () => this.#scale())
    byId('reload-button').addEventListener('click', () => void this.#reload())
    byId('lock').addEventListener('click', () => {
      keepToken(undefined)
      show('outcome', '')
      this.#refresh()
    })
  }

  /** @param canAct - whether the service permits actions at all */
  begin(canAct: boolean): void {
    byId('actions').hidden = !canAct
    this.#refresh()
  }

  /** Shows the current number of workers, as the starting point for scaling. */
  update(workers: number): void {
    const input = inputAt('scale')
    // Not while the user is typing.
    if (this.#workers !== workers && document.activeElement !== input) input.value = `${workers}`
    this.#workers = workers
  }

  #refresh(): void {
    byId('token-form').hidden = hasToken()
    byId('buttons').hidden = !hasToken()
  }

  async #reload(): Promise<void> {
    const question =
      'Apply the configuration and the code on disk? New workers take over when they are ready.'
    if (!(await confirmed(question))) return
    show('outcome', 'Reloading …')
    const { status, body, message } = await post('/api/reload')
    if (status === 200) show('outcome', `Reloaded in ${String(body['durationMs'])} ms.`, 'good')
    else this.#fail(status, message ?? `Reload failed: ${String(body['reason'])}`)
  }

  async #scale(): Promise<void> {
    const workers = inputAt('scale').valueAsNumber
    if (
      !(await confirmed(`Scale from ${this.#workers} to ${workers} workers until the next reload?`))
    )
      return
    show('outcome', 'Scaling …')
    const { status, message } = await post('/api/scale', { workers })
    if (status === 200)
      show('outcome', `Scaled to ${workers} workers until the next reload.`, 'good')
    else this.#fail(status, message ?? 'Scaling failed')
  }

  #fail(status: number, message: string): void {
    show('outcome', message, 'bad')
    if (status !== 401) return
    keepToken(undefined)
    this.#refresh()
  }
}

/** Asks for the token, without which nothing is shown; resolves when it was right. */
export async function askForToken(): Promise<void> {
  keepToken(undefined)
  byId('denied').hidden = false
  byId('content').hidden = true
  const over = new AbortController()
  await new Promise<void>((resolve) => {
    const tried = async () => {
      if (await enter('denied-token', 'denied-outcome')) resolve()
    }
    onSubmit('denied-form', tried, over.signal)
  })
  over.abort()
  byId('denied').hidden = true
  byId('content').hidden = false
}

async function enter(inputId: string, outcomeId: string): Promise<boolean> {
  const input = inputAt(inputId)
  const problem = await tryToken(input.value.trim())
  input.value = ''
  if (problem === undefined) show(outcomeId, '')
  else show(outcomeId, problem, 'bad')
  return problem === undefined
}

/** @param signal - removes the listener */
function onSubmit(id: string, act: () => Promise<void>, signal?: AbortSignal): void {
  const listener = (event: Event) => {
    event.preventDefault()
    void act()
  }
  byId(id).addEventListener('submit', listener, signal && { signal })
}

function inputAt(id: string): HTMLInputElement {
  return byId(id) as HTMLInputElement
}

function confirmed(question: string): Promise<boolean> {
  const dialog = byId('confirm') as HTMLDialogElement
  const over = new AbortController()
  const { signal } = over
  show('confirm-text', question)
  dialog.returnValue = ''
  dialog.showModal()
  byId('confirm-yes').addEventListener('click', () => dialog.close('yes'), { signal })
  byId('confirm-no').addEventListener('click', () => dialog.close(), { signal })
  return new Promise((resolve) => {
    const closed = () => {
      over.abort()
      resolve(dialog.returnValue === 'yes')
    }
    dialog.addEventListener('close', closed, { signal })
  })
}
