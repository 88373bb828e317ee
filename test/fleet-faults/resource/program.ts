/**
 * What the fleet serves from: an append-only list that takes a write from whoever has the newest token, and records
 * everything. Arguments: its socket, its journal.
 */
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { monotonicMs } from '../../../src/clock.ts'
import { Journal } from '../journal.ts'
import { Fence } from './fence.ts'
import { type Judged, readWrite } from './write.ts'

const [socket = '', file = ''] = process.argv.slice(2)
const fence = new Fence()
const journal = new Journal<Judged>(file)

createServer((connection) => {
  // A contender that was killed.
  connection.on('error', () => connection.destroy())
  createInterface({ input: connection }).on('line', (line) => {
    const write = readWrite(line)
    const isAccepted = fence.admits(write.token)
    journal.write({ ...write, arrivedMs: monotonicMs(), isAccepted })
  })
}).listen(socket, () => process.send?.('ready'))
// Whoever wanted it is gone.
process.on('disconnect', () => process.exit(0))
