/**
 * Bare node:cluster: workers that run the echo server, without supervision. Its one argument is the port. Sends
 * 'ready' to its parent once every worker listens.
 */
import cluster from 'node:cluster'
import { echoServer } from '../paths.ts'
import { workers } from './target.ts'

let listening = 0
cluster.on('listening', () => {
  listening += 1
  if (listening === workers) process.send?.('ready')
})
cluster.setupPrimary({ exec: echoServer, args: process.argv.slice(2) })
for (let started = 0; started < workers; started += 1) cluster.fork()
