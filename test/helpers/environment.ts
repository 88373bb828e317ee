import assert from 'node:assert/strict'
import { ask } from './client.ts'
import type { Pm2 } from './pm2.ts'

/** Answers with the variables that the client names after "env"; echoes any other line. */
export const telling = `export default {
  async handle(connection) {
    const line = (await connection.readLine()) ?? ''
    const [first, ...names] = line.toString().trim().split(' ')
    const variables = Object.fromEntries(names.map((name) => [name, process.env[name] ?? null]))
    await connection.write(first === 'env' ? JSON.stringify(variables) : line)
  },
}`

/** The values of these variables in an app that is `telling`; null for those that it does not have. */
export async function told(pm2: Pm2, ...names: string[]): Promise<Record<string, unknown>> {
  const { listen } = await pm2.status()
  const answer = await ask(listen.port, `env ${names.join(' ')}\r\n`)
  assert.equal(answer.how, 'end')
  return JSON.parse(answer.text) as Record<string, unknown>
}
