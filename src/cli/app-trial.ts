import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { loadApp } from '../app/load-app.ts'
import { exitStatus, HelloserverError } from '../errors.ts'
import { debuggerArguments } from '../process/debugger.ts'
import { cannotSpawn, startProcess } from '../process/start-process.ts'
import type { Options } from './options.ts'
import { printError } from './output.ts'

const cliModule = fileURLToPath(new URL('../bin/cli.js', import.meta.url))

/** How often to look whether the command that wants to know is still there, in milliseconds. */
const lookEveryMs = 100

/** Runs in a thread of its own, whose clock goes on while the app's code blocks the event loop. */
const deadline = `
const { workerData: withinMs } = require('node:worker_threads')
const parent = process.ppid
const end = () => process.kill(process.pid, 'SIGKILL')
setTimeout(end, withinMs)
setInterval(() => process.ppid === parent || end(), ${lookEveryMs})
`

/**
 * Loads an app in a process of its own, as a worker would: its code may wait for ever, with or without blocking the event
 * loop, or end the process.
 *
 * @param path - its module, an absolute path
 * @returns whether it loads; if not, the reason has been printed
 * @throws HelloserverError `APP_FAILED` when the process was killed, by its deadline for instance
 */
export async function tryApp(path: string, withinMs: number, options: Options): Promise<boolean> {
  const beganMs = performance.now()
  const { status, signal } = await endOf(() => spawnTrial(path, withinMs, options))
  if (signal !== null) {
    const isLate = performance.now() - beganMs >= withinMs
    const problem = isLate
      ? `did not load within ${withinMs} ms`
      : `was loading when ${signal} ended the process`
    throw new HelloserverError('APP_FAILED', `The app ${path} ${problem}`)
  }
  if (status !== exitStatus.done) process.exitCode = status ?? exitStatus.failed
  return status === exitStatus.done
}

/** Loads an app here, prints why it cannot be loaded, and ends this process, after `withinMs` by SIGKILL. */
export async function loadAndExit(
  path: string,
  withinMs: number,
  options: Options,
): Promise<never> {
  const onExit = () => {
    const message = `The app ${path} ended the process while it loaded`
    printError(new HelloserverError('APP_FAILED', message), options)
    process.exitCode = exitStatus.failed
  }
  const fail = (error: unknown): never => {
    process.off('exit', onExit)
    printError(error, options)
    return process.exit(exitStatus.failed)
  }
  process.once('exit', onExit)
  // It also keeps the process alive if the app waits for something that never comes.
  const clock = new Worker(deadline, { eval: true, workerData: withinMs })
  clock.once('error', (error) => fail(cannotSpawn('the clock for the app', error)))
  try {
    await loadApp(path)
  } catch (error) {
    return fail(error)
  }
  process.off('exit', onExit)
  return process.exit(exitStatus.done)
}

interface End {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

function endOf(start: () => ChildProcess): Promise<End> {
  return new Promise((resolve, reject) => {
    const what = 'the process that loads the app'
    const child = startProcess(what, start, reject)
    child?.once('error', (error) => reject(cannotSpawn(what, error)))
    child?.once('exit', (status, signal) => resolve({ status, signal }))
  })
}

function spawnTrial(path: string, withinMs: number, { name, json }: Options): ChildProcess {
  const flags = ['--name', name, ...(json ? ['--json'] : [])]
  const args = [cliModule, 'load-app', ...flags, path, String(withinMs)]
  return spawn(process.execPath, [...process.execArgv, ...debuggerArguments, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}
