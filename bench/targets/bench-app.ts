/** The app of the helloserver targets: the echo, after the work that the line asks for. */
import { defineApp } from 'helloserver'
import { perform, workIn } from '../work.ts'

export default defineApp({
  async handle(connection) {
    const line = await connection.readLine()
    if (line === null) return
    const work = workIn(line)
    if (work !== null) await perform(work)
    await connection.write(line)
  },
})
