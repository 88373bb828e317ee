import { byId, show } from './dom.ts'
import { hasToken, keepToken, post, tryToken } from './token.ts'

/** What somebody with the token may do. */
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

  /** @param canAct - whether the service lets anybody act at all */
  begin(canAct: boolean): void {
    byId('actions').hidden = !canAct
    this.#refresh()
  }

  /** How many workers there are: what a person scales from. */
  update(workers: number): void {
    const input = byId<HTMLInputElement>('scale')
    // Not while somebody types.
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
    const workers = byId<HTMLInputElement>('scale').valueAsNumber
    if (
      !(await confirmed(`Scale from ${this.#workers} to ${workers} workers until the next reload?`))
    )
      return
    show('outcome', 'Scaling …')
    const { status, message } = await post('/api/scale', { workers })
    if (status === 200)
      show('outcome', `Scaled to ${workers} workers until the next reload.`, 'good')
    else this.#fail(status, message ?? 'Not scaled')
  }

  #fail(status: number, message: string): void {
    show('outcome', message, 'bad')
    if (status !== 401) return
    keepToken(undefined)
    this.#refresh()
  }
}

/** Asks for the token without which nothing is shown; resolves when it was right. */
export async function askForToken(): Promise<void> {
  keepToken(undefined)
  byId('denied').hidden = false
  byId('content').hidden = true
  await new Promise<void>((resolve) => {
    onSubmit('denied-form', async () => {
      if (await enter('denied-token', 'denied-outcome')) resolve()
    })
  })
  byId('denied').hidden = true
  byId('content').hidden = false
}

async function enter(inputId: string, outcomeId: string): Promise<boolean> {
  const input = byId<HTMLInputElement>(inputId)
  const problem = await tryToken(input.value.trim())
  input.value = ''
  if (problem === undefined) show(outcomeId, '')
  else show(outcomeId, problem, 'bad')
  return problem === undefined
}

function onSubmit(id: string, act: () => Promise<void>): void {
  byId<HTMLFormElement>(id).onsubmit = (event) => {
    event.preventDefault()
    void act()
  }
}

function confirmed(question: string): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>('confirm')
  show('confirm-text', question)
  dialog.showModal()
  return new Promise((resolve) => {
    byId('confirm-yes').onclick = () => dialog.close('yes')
    byId('confirm-no').onclick = () => dialog.close('no')
    dialog.onclose = () => {
      resolve(dialog.returnValue === 'yes')
      dialog.returnValue = ''
    }
  })
}
