import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { ambient } from '../config/environment.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import { startProcess } from '../process/start-process.ts'

/** Options that flock(1) has both in util-linux and in BusyBox. */
const options = { exclusive: '-x', shared: '-s' } as const

/** The file's descriptor in the helper process, after stdio. */
const helperFd = 3

/** The exit status of flock(1) when the lock is already held. */
const conflict = 1

/**
 * How long flock(1) may take, in milliseconds: a local file takes a few, and a file system that takes longer,
 * such as a dead NFS, never answers.
 */
const answerWithinMs = 10_000

/** Errors that may pass, such as a lack of processes, descriptors or memory, so that another try may succeed. */
const passing = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE', 'EINTR'])
const tries = 10
const retryEveryMs = 200

/**
 * Locks an open file or directory without waiting (flock(2)), by one short run of flock(1), since Node.js has
 * no call for it. The lock belongs to the open file description, which this process shares with that helper: it
 * remains when the helper has ended, passes to any process that inherits the descriptor, and is released when
 * the last of them has closed it.
 *
 * @returns false when another open file description has a lock that excludes this one
 * @throws HelloserverError `BOOT_FAILED` when there is no flock(1) or the file system has no such locks,
 * `CANNOT_SPAWN` when flock(1) cannot be started
 */
export async function flock(fd: number, mode: keyof typeof options): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await flockOnce(fd, options[mode])
    } catch (error) {
      const code = error instanceof HelloserverError ? codeOf(error.cause) : undefined
      if (code === 'ENOENT') {
        throw new HelloserverError(
          'BOOT_FAILED',
          'The PID lock needs the program "flock", which is not in PATH; install the package util-linux (BusyBox has it too)',
          { cause: error },
        )
      }
      if (code === undefined || !passing.has(code) || attempt === tries) throw error
      await delay(retryEveryMs)
    }
  }
}

function flockOnce(fd: number, option: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const start = () =>
      spawn('flock', ['-n', option, String(helperFd)], {
        env: { PATH: ambient('PATH') ?? '/usr/bin:/bin', LC_ALL: 'C' },
        stdio: ['ignore', 'ignore', 'pipe', fd],
        timeout: answerWithinMs,
        killSignal: 'SIGKILL',
      })
    const helper = startProcess('"flock" for the PID lock', start, reject)
    if (helper === undefined) return
    let said = ''
    helper.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    helper.once('error', reject)
    helper.once('close', (status, signal) => {
      if (status === 0 || status === conflict) {
        resolve(status === 0)
        return
      }
      const how = said.trim() || (signal ?? `status ${status}`)
      reject(
        new HelloserverError(
          'BOOT_FAILED',
          `The file system of the run directory cannot lock files: ${how}`,
        ),
      )
    })
  })
}
