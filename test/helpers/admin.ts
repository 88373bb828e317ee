import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { join } from 'node:path'
import type { Sandbox, Settings } from './sandbox.ts'
import { within } from './wait-for.ts'

export const token = 'correct-horse-battery'
export const bearer = { authorization: `Bearer ${token}` }

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly host?: string
}

/** Sends a request to the page on a connection of its own; unlike fetch, it can set any header. */
export async function http(port: number, path: string, asked: Asked = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, host = '127.0.0.1' } = asked
  const sent = request({ host, port, path, method, headers, agent: false })
  const answered = new Promise<Answer>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const { statusCode: status = 0, headers: received } = response
        resolve({ status, headers: received, body: Buffer.concat(chunks).toString() })
      })
    })
  })
  sent.end(body)
  return within(`${method} ${path}`, answered)
}

/** Settings for a page with a token. */
export function page(sandbox: Sandbox, port: number | string, config: Settings = {}): Settings {
  const tokenFile = join(sandbox.runDir, 'token')
  writeFileSync(tokenFile, token, { mode: 0o600 })
  return { ...config, admin: { http: port, tokenFile } }
}

/** An open live view. */
export interface Viewer {
  readonly status: number
  /** Everything received so far. */
  text(): string
  hasEnded(): boolean
  leave(): void
}

/** Opens the live view and reads it. */
export async function viewer(port: number, headers = {}): Promise<Viewer> {
  const sent = request({ host: '127.0.0.1', port, path: '/api/live', headers, agent: false }).end()
  const [response] = (await within('the live view', once(sent, 'response'))) as [
    import('node:http').IncomingMessage,
  ]
  let text = ''
  let ended = false
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    text += chunk
  })
  response.on('error', () => {})
  response.on('close', () => {
    ended = true
  })
  return {
    status: response.statusCode ?? 0,
    text: () => text,
    hasEnded: () => ended,
    leave: () => sent.destroy(),
  }
}
