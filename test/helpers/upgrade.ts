import { readFileSync } from 'node:fs'
import type { Status } from '../../src/status.ts'
import { Client } from './client.ts'
import { upgrade as upgradeAt } from './commands.ts'
import type { Sandbox } from './sandbox.ts'
import { counted, type Service } from './service.ts'
import { waitFor } from './wait-for.ts'

/** Log lines that go with an upgrade that fails. */
export const failing = {
  allow: [/Reload failed/, /Killing a worker/, /Cannot take the service over/],
}

/** Does not get ready while its mark is there. */
export const hesitant = `import { existsSync } from 'node:fs'
export default {
  async setup() {
    while (existsSync(recordFile)) await new Promise((resolve) => setTimeout(resolve, 10))
  },
  async handle(connection) {
    await connection.write((await connection.readLine()) ?? '')
  },
}`

/** Upgrades, and says how the service is then. */
export async function upgrade(service: Service): Promise<Status> {
  await upgradeAt(service)
  return service.status()
}

/** The process that is to take over, and that was not there `before`. */
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
    // It has just ended.
    return ''
  }
}

/** The process that the PID file names. */
export const pidIn = ({ pidFile }: Sandbox) => Number(readFileSync(pidFile, 'utf8'))

/** A client that a worker of the first primary has in hand, and which has said nothing yet. */
export async function held(service: Service): Promise<Client> {
  const client = await Client.connect(service.port)
  await counted(service, { active: 1 })
  return client
}
