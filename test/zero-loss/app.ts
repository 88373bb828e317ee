import { setTimeout as delay } from 'node:timers/promises'
import { answerTo, echoPrefix, readAsk } from './exchange.ts'

/** In how many bits a trickling answer is written. */
const bits = 20

/** What the app needs of a connection; helloserver's is one, and so is the one of the plain server beside it. */
export interface AppConnection {
  readLine(): Promise<Buffer | null>
  write(text: string): Promise<void>
}

/** The app that the suite puts load on: says at once what it has read, and the rest when its time is over. */
export default {
  async handle(connection: AppConnection): Promise<void> {
    const line = (await connection.readLine())?.toString('latin1')
    if (line === undefined) return
    if (line.startsWith(echoPrefix)) return connection.write(line)
    const { pace, delayMs } = readAsk(line)
    const { head, rest } = answerTo(line)
    await connection.write(head)
    if (pace === 'silent') {
      if (delayMs > 0) await delay(delayMs)
      await connection.write(rest)
      return
    }
    const length = Math.ceil(rest.length / bits)
    for (let at = 0; at < rest.length; at += length) {
      await delay(delayMs / bits)
      await connection.write(rest.slice(at, at + length))
    }
  },
}
