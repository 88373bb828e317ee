import { z } from 'zod'
import { maxTimerMs } from '../clock.ts'
import { parseHost } from '../endpoint.ts'
import { isSyslogTarget, syslogPattern } from '../telemetry/syslog-target.ts'
import { isAdminAddress } from './admin-address.ts'
import { logLevels } from './log-levels.ts'
import { maxWorkers, minWorkers, workersAllowed } from './worker-count.ts'

/** An integer from `min` to `max`; the sentence names the range, since zod's own does not name both ends. */
function integer(min: number, max: number, fallback: number, description: string) {
  const allowed = `an integer from ${min} to ${max}`
  return z
    .int({ error: allowed })
    .min(min, { error: allowed })
    .max(max, { error: allowed })
    .default(fallback)
    .describe(`${description} [${fallback}]`)
}

const milliseconds = (fallback: number, description: string, min = 1) =>
  integer(min, maxTimerMs, fallback, `${description}, in milliseconds`)

const leaseModes = ['off', 'exclusive', 'slots'] as const

/** A number of worker processes, or a word that stands for one. */
function workerCount<Word extends string>(word: Word) {
  const allowed = `${workersAllowed}, or "${word}"`
  return z
    .union(
      [
        z.literal(word),
        // Of a value that only the range refuses, zod reports this branch's error, not the union's.
        z.int().min(minWorkers, { error: allowed }).max(maxWorkers, { error: allowed }),
      ],
      { error: allowed },
    )
    .default(word as never)
}

const syslogTargets = '"off", "local", "unix:///path", "udp://host:port" or "tcp://host:port"'

const hostAllowed = 'an address or host name, without a port'

/** Where the page listens. */
const httpAddress = (() => {
  const allowed = 'false, true, a port from 1 to 65535, or "address:port"'
  return z.union(
    [
      z.boolean(),
      z.int().min(1, { error: allowed }).max(65_535, { error: allowed }),
      z.string().refine(isAdminAddress, { error: allowed }),
    ],
    { error: allowed },
  )
})()

/** A section whose keys all have defaults: leaving it out is the same as leaving out all its keys. */
const section = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, { error: sectionError }).prefault({} as never)

const sectionError: z.core.$ZodErrorMap = (issue) =>
  issue.code === 'invalid_type' ? 'an object' : undefined

/** The configuration file. Unknown keys are refused, so that a typing error cannot pass for a setting. */
export const configSchema = z.strictObject(
  {
    $schema: z.string().optional().describe('Where an editor finds this schema'),
    host: z
      .string({ error: hostAllowed })
      .min(1, { error: hostAllowed })
      .refine((host) => parseHost(host) !== undefined, { error: hostAllowed })
      .transform((host) => parseHost(host) ?? host)
      .prefault('0.0.0.0')
      .describe('Address to listen on [0.0.0.0]'),
    port: integer(0, 65_535, 30_153, 'TCP port; 0 takes any free one'),
    workers: workerCount('auto').describe(
      'Worker processes; "auto" is one for each core, or for what a control group grants of them ["auto"]',
    ),
    logLevel: z
      .enum(logLevels, { error: `one of ${logLevels.join(', ')}` })
      .default('info')
      .describe('Least severe level that is logged ["info"]'),
    log: section({
      access: z
        .boolean({ error: 'true or false' })
        .default(false)
        .describe('A log line for each connection, at its end [false]'),
      syslog: z
        .string({ error: syslogTargets })
        .regex(syslogPattern, { error: syslogTargets })
        .refine(isSyslogTarget, { error: syslogTargets })
        .default('off')
        .describe(`Where log lines go besides, with facility LOCAL0: ${syslogTargets} ["off"]`),
    }),
    queue: section({
      max: integer(0, 1_000_000, 10_000, 'Connections that may wait for a worker'),
      maxWaitMs: milliseconds(30_000, 'How long a connection may wait'),
      maxPerClient: integer(
        0,
        1_000_000,
        0,
        'Open connections for each client address; 0 is no limit',
      ),
    }),
    connection: section({
      maxLineBytes: integer(
        2,
        16_777_216,
        1024,
        'So many bytes without a complete line are refused, its CRLF included',
      ),
      readTimeoutMs: milliseconds(30_000, 'How long one read may wait for the client'),
      deadlineMs: milliseconds(60_000, 'How long one connection may take altogether'),
      lingerMs: milliseconds(2_000, 'How long the closing handshake may take', 0),
    }),
    drain: section({
      announceMs: milliseconds(
        0,
        'How long a stop goes on accepting while the state already says "draining"; 0 is not at all',
        0,
      ),
      timeoutMs: milliseconds(30_000, 'How long a stop may serve what is queued and in hand', 0),
    }),
    reload: section({
      readyTimeoutMs: milliseconds(15_000, 'How long a worker may take to get ready'),
      surge: workerCount('all').describe(
        'So many new workers at a time take over from as many old ones; "all" at once ["all"]',
      ),
    }),
    recycle: section({
      afterConnections: integer(
        0,
        1_000_000_000,
        0,
        'A worker is replaced after so many connections, give or take a tenth; 0 is never',
      ),
      maxAgeMs: milliseconds(0, 'Age at which a worker is replaced; 0 is never', 0),
      maxRssMb: integer(
        0,
        1_048_576,
        0,
        'Memory in MiB past which a worker is replaced; 0 is never',
      ),
    }),
    watchdog: z
      .strictObject(
        {
          heartbeatMs: milliseconds(1_000, 'How often a worker says that its event loop turns', 10),
          hungAfterMs: milliseconds(
            10_000,
            'Silence after which a worker is killed, at least two heartbeats',
            20,
          ),
        },
        { error: sectionError },
      )
      // A worker that is well must have been heard by then.
      .refine(({ heartbeatMs, hungAfterMs }) => hungAfterMs >= 2 * heartbeatMs, {
        path: ['hungAfterMs'],
        error: 'at least twice watchdog.heartbeatMs',
      })
      .prefault({}),
    lease: section({
      mode: z
        .enum(leaseModes, { error: `one of ${leaseModes.join(', ')}` })
        .optional()
        .describe(
          'With Redis: "exclusive" lets one host serve, "slots" so many as lease.slots says, "off" all; without Redis only "off" ["exclusive" with Redis, "off" without]',
        ),
      slots: integer(1, 1_000, 1, 'In the mode "slots": how many hosts may serve at a time'),
      ttlMs: milliseconds(
        3_000,
        'How long a host that is not heard from keeps the lease; the same on all hosts',
        500,
      ),
      onLoss: z
        .enum(['finish', 'abort'], { error: 'finish or abort' })
        .default('finish')
        .describe(
          'What becomes of connections in hand when the lease is lost: they may "finish", or their signal is aborted and they are closed ["finish"]',
        ),
      replicas: integer(
        0,
        100,
        0,
        'So many replicas of Redis must have what is granted or renewed, or it does not count; 0 asks none',
      ),
      host: z
        .string({ error: 'a name' })
        .regex(/^[^\s{}]{1,200}$/, { error: 'a name without spaces' })
        .optional()
        .describe("This host's name in the fleet [the system's host name]"),
    }),
    fleet: section({
      maxDown: integer(
        1,
        1_000,
        1,
        'With Redis: how many hosts may be down at a time, for stops, restarts and reloads that take workers away; the same on all hosts',
      ),
      returnMs: milliseconds(
        10_000,
        'With Redis: how long a host that has stopped is expected back, and counts as down',
        0,
      ),
    }),
    admin: section({
      http: httpAddress
        .default(false)
        .describe(
          'The web page, health and metrics: a port of 127.0.0.1, "address:port", or true for "127.0.0.1:30154" [false]',
        ),
      hosts: z
        .array(
          z
            .string({ error: 'a host name' })
            .regex(/^[^\s:/]{1,253}$/, { error: 'a host name without a port' }),
          { error: 'a list of host names' },
        )
        .default([])
        .describe('Further host names that the page may be asked for by, as behind a proxy [[]]'),
      tokenFile: z
        .string({ error: 'a path' })
        .min(1, { error: 'a path' })
        .optional()
        .describe(
          'File with the token that lets somebody reload and scale; not for everybody to read, and needed when other hosts can reach the page',
        ),
    }),
    app: z
      .record(z.string(), z.unknown(), { error: 'an object' })
      .default({})
      .describe("The app's own settings, handed to it as they are"),
  },
  { error: sectionError },
)

/** The configuration file as parsed, defaults filled in. */
export type ConfigFile = z.output<typeof configSchema>

/** The JSON Schema that editors use, from the same source as the validation. */
export function configJsonSchema(): object {
  return { title: 'helloserver configuration', ...z.toJSONSchema(configSchema, { io: 'input' }) }
}
