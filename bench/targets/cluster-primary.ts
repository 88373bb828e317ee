/**
 * Bare node:cluster: workers that run the echo server, without supervision. Its arguments are the port, the number of
 * workers, and `rr` or `none`, the scheduling policy. Sends 'ready' to its parent once every worker listens.
 */
import cluster from 'node:cluster'
import { echoServer } from '../paths.ts'

const [port = '', workers = '', policy] = process.argv.slice(2)
cluster.schedulingPolicy = policy === 'none' ? cluster.SCHED_NONE : cluster.SCHED_RR
let listening = 0
cluster.on('listening', () => {
  listening += 1
  if (listening === Number(workers)) process.send?.('ready')
})
cluster.setupPrimary({ exec: echoServer, args: [port] })
for (let started = 0; started < Number(workers); started += 1) cluster.fork()
