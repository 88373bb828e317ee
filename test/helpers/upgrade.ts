import { readFileSync } from 'node:fs'
import type { Status } from '../../src/status.ts'
import { Client } from './client.ts'
import { upgrade as upgradeAt } from './commands.ts'
import type { Sandbox } from './sandbox.ts'
import { counted, type Service } from './service.ts'
import { waitFor } from './wait-for.ts'

/** Log lines that accompany a failed upgrade. */
export const failing = {
  allow: [/Reload failed/, /Killing a worker/, /Cannot take the service over/],
}

/** An app that does not become ready while its mark exists. */
export const hesitant = `import { existsSync } from 'node:fs'
export default {
  async setup() {
    while (existsSync(recordFile)) await new Promise((resolve) => setTimeout(resolve, 10))
  },
  async handle(connection) {
    await connection.write((await connection.readLine()) ?? '')
  },
}`

/** Upgrades, and returns the service's status afterwards. */
export async function upgrade(service: Service): Promise<Status> {
  await upgradeAt(service)
  return service.status()
}

/** The PID of the process that is to take over: one that is not among `before`. */
export function successorOf({ sandbox }: Service, before: readonly number[]): Promise<number> {
  return waitFor('the successor', () =>
    sandbox
      .processes()
      .filter((pid) => !before.includes(pid))
      .find((pid) => commandOf(pid).includes('--successor')),
  )
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    // The process has just ended.
    return ''
  }
}

/** The PID in the PID file. */
export const pidIn = ({ pidFile }: Sandbox) => Number(readFileSync(pidFile, 'utf8'))

/** A client that a worker of the first primary has in hand, and that has sent nothing yet. */
export async function held(service: Service): Promise<Client> {
  const client = await Client.connect(service.port)
  await counted(service, { active: 1 })
  return client
}
