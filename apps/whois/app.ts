import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { defineApp, LineTooLongError } from 'helloserver'
import { answerTo, tooLongAnswer } from './answer.ts'
import { nameIn } from './name.ts'
import { parseRecords, type Records } from './records.ts'

/** Each worker has its own copy, read before its first connection; a reload starts new workers. */
let records: Records = new Map()

/** WHOIS (RFC 3912): one name in, the record of that name out. */
export default defineApp({
  async setup({ directory, settings, log }) {
    const file = resolve(directory, recordsSetting(settings['records']))
    records = parseRecords(await readFile(file, 'utf8'), file)
    log.debug({ file, records: records.size }, 'Read the records')
  },

  async handle(connection) {
    try {
      const line = await connection.readLine()
      if (line !== null) await connection.write(answerTo(nameIn(line), records))
    } catch (error) {
      if (!(error instanceof LineTooLongError)) throw error
      await connection.write(tooLongAnswer(error.limitBytes))
    }
  },
})

function recordsSetting(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw new Error(`app.records is ${JSON.stringify(value)}; it must be the path of a records file`)
}
