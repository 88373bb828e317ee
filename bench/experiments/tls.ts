import { join } from 'node:path'
import { runOrThrow } from '../command.ts'
import { echo } from '../handlers.ts'
import { compileTlsLoad } from '../native.ts'
import type { Sample } from '../sample.ts'
import { scratchFolder } from '../targets/scratch.ts'
import type { TlsFiles } from '../targets/target.ts'
import type { Experiment } from './experiment.ts'
import { inRounds } from './throughput.ts'

const workers = 2
const clientCounts = [1, 16, 64]

/** Whether each connection has a full handshake, or resumes the client's last session where the server lets it. */
const handshakes = ['full', 'resumed'] as const

/** Makes a certificate of the usual kind, an elliptic curve's, that lasts for a day. */
async function makeCertificate(folder: string): Promise<TlsFiles> {
  const files = { cert: join(folder, 'server.crt'), key: join(folder, 'server.key') }
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const out = ['-keyout', files.key, '-out', files.cert, '-subj', '/CN=bench', '-days', '1']
  await runOrThrow('openssl', 'openssl', ['req', '-x509', ...kind, ...out])
  return files
}

/** The load of `throughput` through TLS. */
export const tls: Experiment = {
  name: 'tls',
  title: 'Clients that connect again and again, through TLS',
  columns: ({ baseline }) => [
    { head: 'connections/s', figure: 'connectionsPerSecond', decimals: 0 },
    { figure: 'connectionsPerSecond', vs: baseline },
    { head: 'p50 ms', figure: 'p50Ms', decimals: 2 },
    { head: 'p99 ms', figure: 'p99Ms', decimals: 2 },
    { figure: 'p99Ms', vs: baseline },
    { head: 'CPU µs/connection', figure: 'cpuUsPerConnection', decimals: 0 },
    { figure: 'cpuUsPerConnection', vs: baseline },
    { head: 'generator %', figure: 'generatorPercent', decimals: 0 },
  ],
  async run(bench) {
    const program = await compileTlsLoad()
    const scratch = await scratchFolder()
    try {
      const files = await makeCertificate(scratch.path)
      const targets = bench.targets.filter(({ hasTls }) => hasTls)
      const setups = targets.map((target) => ({ target, workers, tls: files }))
      return await bench.withTargets(setups, async (started) => {
        const samples: Sample[] = []
        for (const handshake of handshakes) {
          for (const clients of clientCounts) {
            const way = { program, resumes: handshake === 'resumed' }
            for (const one of await inRounds(bench, started, { handler: echo, clients }, way)) {
              samples.push({ ...one, conditions: { handshake, ...one.conditions } })
            }
          }
        }
        return samples
      })
    } finally {
      await scratch.remove()
    }
  },
}
