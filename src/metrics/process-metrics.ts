import { readdirSync } from 'node:fs'
import { getHeapStatistics } from 'node:v8'
import { openFilesLimit } from '../process/open-files-limit.ts'
import { residentMemory } from '../process/resident-memory.ts'
import { Counter, Gauge, type Registry } from './prom-client.ts'

/**
 * The metrics of the primary's own process, by the standard names of Prometheus clients. prom-client's default
 * metrics are not used, because they keep measuring between scrapes.
 */
export function addProcessMetrics(registry: Registry): void {
  const registers = [registry]
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const value = read()
        if (value === undefined) this.remove()
        else this.set(value)
      },
    })

  counter('process_cpu_seconds_total', 'CPU time that the primary has used.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000_000
  })
  gauge('process_resident_memory_bytes', 'Memory of the primary.', residentMemory)
  gauge('process_start_time_seconds', 'When the primary was started, since the epoch.', () =>
    Math.round((Date.now() - process.uptime() * 1_000) / 1_000),
  )
  gauge('process_open_fds', 'Open files of the primary.', openFiles)
  gauge('process_max_fds', 'Maximum number of open files of the primary.', maxFiles)
  gauge(
    'nodejs_heap_size_used_bytes',
    "Memory in use on the primary's heap.",
    () => getHeapStatistics().used_heap_size,
  )
  counter(
    'nodejs_eventloop_active_seconds_total',
    "Time in which the primary's event loop was active.",
    () => performance.eventLoopUtilization().active / 1_000,
  )
}

function openFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    // This is not Linux.
    return undefined
  }
}

function maxFiles(): number | undefined {
  const limit = openFilesLimit()
  return Number.isFinite(limit) ? limit : undefined
}
