import { defineApp, LineTooLongError } from 'helloserver'

/** The skeleton's own service: one line in, the same line out. */
export default defineApp({
  async handle(connection) {
    try {
      const line = await connection.readLine()
      if (line !== null) await connection.write(line)
    } catch (error) {
      if (!(error instanceof LineTooLongError)) throw error
      await connection.write(`ERR line too long (limit ${error.limitBytes} bytes)\r\n`)
    }
  },
})
