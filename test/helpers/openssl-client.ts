import { spawn } from 'node:child_process'
import { type CommandResult, resultOf } from './sandbox.ts'
import { within } from './wait-for.ts'

/**
 * Sends a text by the real `openssl s_client`, which ends when the server has; its standard output is what the server
 * has sent.
 *
 * @param options - such as `-servername`, `-cert`, `-tls1_2`
 */
export async function sClient(
  endpoint: string,
  text: string,
  ...options: readonly string[]
): Promise<CommandResult> {
  const args = ['s_client', '-quiet', '-connect', endpoint, ...options]
  const child = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  // A server that refuses closes before everything is written.
  child.stdin.on('error', () => {})
  child.stdin.write(text)
  return within('the end of openssl s_client', resultOf(child))
}
