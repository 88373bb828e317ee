import { maxTimerMs } from '../clock.ts'
import { parseHost } from '../endpoint.ts'
import { isSyslogTarget, syslogPattern } from '../telemetry/syslog-target.ts'
import { isAdminAddress } from './admin-address.ts'
import { lineEndings } from './line-endings.ts'
import { listenSchema } from './listen.ts'
import { logLevels } from './log-levels.ts'
import { networkAllowed, parseNetwork } from './network.ts'
import { maxWorkers, minWorkers, workersAllowed } from './worker-count.ts'
import * as z from './zod.ts'

/** An integer from `min` to `max`; the error names the range, since zod's own does not name both ends. */
function integer(min: number, max: number, fallback: number, description: string) {
  const allowed = `an integer from ${min} to ${max}`
  return z
    .int({ error: allowed })
    .min(min, { error: allowed })
    .max(max, { error: allowed })
    .default(fallback)
    .describe(`${description} [${fallback}]`)
}

/**
 * The settings that cannot change while the service runs, since other hosts know it by them: each registers itself
 * here, as the last call on it.
 */
const restartOnly = z.registry<undefined>()

const milliseconds = (fallback: number, description: string, min = 1, note = '') =>
  integer(min, maxTimerMs, fallback, `${description}, in milliseconds${note}`)

/** The system counts in seconds, up to 32767 of them (tcp(7), TCP_KEEPIDLE). */
const keepAlive = (() => {
  const allowed = '0, or an integer from 1000 to 32767000'
  return z
    .int({ error: allowed })
    .min(0, { error: allowed })
    .max(32_767_000, { error: allowed })
    .refine((ms) => ms === 0 || ms >= 1_000, { error: allowed })
    .default(0)
})()

const leaseModes = ['off', 'exclusive', 'slots'] as const

/** A number of worker processes, or a word that stands for one. */
function workerCount<Word extends string>(word: Word) {
  const allowed = `${workersAllowed}, or "${word}"`
  return z
    .union(
      [
        z.literal(word),
        // For a value that only the range refuses, zod reports this branch's error, not the union's.
        z.int().min(minWorkers, { error: allowed }).max(maxWorkers, { error: allowed }),
      ],
      { error: allowed },
    )
    .default(word as never)
}

const syslogTargets = '"off", "local", "unix:///path", "udp://host:port" or "tcp://host:port"'

const userAllowed = 'a user of this host, by name or number'
const groupAllowed = 'a group of this host, by name or number'

const hostAllowed = 'an address or host name, without a port'

/** The address of the page. */
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

const networks = z
  .array(
    z
      .string({ error: networkAllowed })
      .refine((text) => parseNetwork(text) !== undefined, { error: networkAllowed }),
    { error: 'a list of addresses and networks' },
  )
  .default([])

/** A section whose keys all have defaults: leaving it out is the same as leaving out all its keys. */
const section = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, { error: sectionError }).prefault({} as never)

const sectionError: z.core.$ZodErrorMap = (issue) =>
  issue.code === 'invalid_type' ? 'an object' : undefined

/** The configuration file. Unknown keys are refused, so that a typing error cannot pass for a setting. */
export const configSchema = z.strictObject(
  {
    $schema: z.string().optional().describe('Path or URL of this schema, for editors'),
    main: z
      .string({ error: 'a path' })
      .min(1, { error: 'a path' })
      .optional()
      .describe(
        "Path of the app's module, such as compiled code elsewhere, relative to this file [app.ts, app.js, app.mjs or app.cjs beside this file]",
      ),
    host: z
      .string({ error: hostAllowed })
      .min(1, { error: hostAllowed })
      .refine((host) => parseHost(host) !== undefined, { error: hostAllowed })
      .transform((host) => parseHost(host) ?? host)
      .prefault('0.0.0.0')
      .describe('Address to listen on [0.0.0.0]'),
    port: integer(0, 65_535, 30_153, 'TCP port; 0 picks a free one'),
    listen: listenSchema,
    workers: workerCount('auto').describe(
      'Number of worker processes; "auto" is one for each core that the process may use, within the CPU quota of its control group ["auto"]',
    ),
    logLevel: z
      .enum(logLevels, { error: `one of ${logLevels.join(', ')}` })
      .default('info')
      .describe('Least severe level that is logged ["info"]'),
    log: section({
      access: z
        .boolean({ error: 'true or false' })
        .default(false)
        .describe('Whether a line is logged for each connection when it ends [false]'),
      syslog: z
        .string({ error: syslogTargets })
        .regex(syslogPattern, { error: syslogTargets })
        .refine(isSyslogTarget, { error: syslogTargets })
        .default('off')
        .describe(
          `Additional destination of log lines, with facility LOCAL0: ${syslogTargets} ["off"]`,
        ),
    }),
    user: z
      .string({ error: userAllowed })
      .regex(/^[^\s:]+$/, { error: userAllowed })
      .optional()
      .describe(
        'User that a service started as root becomes once it has bound its endpoints, by name or number [the user who starts it]',
      )
      .register(restartOnly),
    group: z
      .string({ error: groupAllowed })
      .regex(/^[^\s:]+$/, { error: groupAllowed })
      .optional()
      .describe("Group that it becomes, by name or number [the user's own]")
      .register(restartOnly),
    access: section({
      allow: networks.describe(
        'Networks and addresses whose clients are let in; empty means everybody [[]]',
      ),
      deny: networks.describe('Networks and addresses whose clients are turned away [[]]'),
      maxPerSecond: integer(
        0,
        1_000_000,
        0,
        'How many connections each client address may open per second; 0 means no limit',
      ),
    }),
    queue: section({
      max: integer(0, 1_000_000, 10_000, 'How many connections may wait for a worker'),
      maxWaitMs: milliseconds(30_000, 'How long a connection may wait'),
      maxPerClient: integer(
        0,
        1_000_000,
        0,
        'How many connections each client address may have open; 0 means no limit',
      ),
    }),
    connection: section({
      maxLineBytes: integer(
        2,
        16_777_216,
        1024,
        'Length in bytes at which a line is refused, its CRLF included',
      ),
      readTimeoutMs: milliseconds(30_000, 'How long one read may wait for the client'),
      deadlineMs: milliseconds(60_000, 'How long handling one connection may take in total'),
      handshakeTimeoutMs: milliseconds(
        10_000,
        'How long a TLS handshake may take, and how long a PROXY header may take to arrive',
      ),
      lingerMs: milliseconds(2_000, 'How long the closing handshake may take', 0),
      lineEnding: z
        .enum(lineEndings, { error: `one of ${lineEndings.join(', ')}` })
        .default('crlf')
        .describe('End of a line; "any" is CRLF, LF or CR, whichever comes first ["crlf"]'),
      keepAliveMs: keepAlive.describe(
        'How long a connection may be silent before the system asks whether the client is still there, in milliseconds; 0 means never [0]',
      ),
      noDelay: z
        .boolean({ error: 'true or false' })
        .default(true)
        .describe(
          'Whether each write is sent at once (TCP_NODELAY), instead of waiting until the one before it is acknowledged [true]',
        ),
    }),
    drain: section({
      announceMs: milliseconds(
        0,
        'How long a stop keeps accepting while the state already says "draining"',
        0,
        '; 0 means not at all',
      ),
      timeoutMs: milliseconds(30_000, 'How long a stop may serve queued and active connections', 0),
    }),
    reload: section({
      readyTimeoutMs: milliseconds(15_000, 'How long a worker may take to become ready'),
      surge: workerCount('all').describe(
        'How many workers are replaced at a time; "all" replaces all at once ["all"]',
      ),
    }),
    rescue: section({
      startAfterMs: milliseconds(
        1_000,
        'How long after the primary was killed a worker starts another one, if nobody else has',
        0,
        '; 0 means never',
      ),
      waitMs: milliseconds(
        15_000,
        'How long workers go on serving what waits for them while there is no primary',
        0,
        '; 0 means not at all',
      ),
    }),
    recycle: section({
      afterConnections: integer(
        0,
        1_000_000_000,
        0,
        'Number of connections after which a worker is replaced, give or take a tenth; 0 means never',
      ),
      maxAgeMs: milliseconds(0, 'Age at which a worker is replaced', 0, '; 0 means never'),
      maxRssMb: integer(
        0,
        1_048_576,
        0,
        'Memory in MiB above which a worker is replaced; 0 means never',
      ),
    }),
    watchdog: z
      .strictObject(
        {
          heartbeatMs: milliseconds(
            1_000,
            'How often a worker reports that its event loop is running',
            10,
          ),
          hungAfterMs: milliseconds(
            10_000,
            'How long a worker may be silent before it is killed',
            20,
            '; at least two heartbeats',
          ),
        },
        { error: sectionError },
      )
      // A healthy worker must have been heard by then.
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
          'Which hosts serve: with Redis, one ("exclusive"), as many as lease.slots ("slots"), or all ("off"); without Redis, only "off" is allowed ["exclusive" with Redis, "off" without]',
        )
        .register(restartOnly),
      slots: integer(
        1,
        1_000,
        1,
        'How many hosts may serve at a time in mode "slots"; the same on all hosts',
      ).register(restartOnly),
      ttlMs: milliseconds(
        3_000,
        'How long the lease lasts without a renewal',
        500,
        '; the same on all hosts',
      ).register(restartOnly),
      onLoss: z
        .enum(['finish', 'abort'], { error: 'finish or abort' })
        .default('finish')
        .describe(
          'Fate of active connections when the lease is lost: "finish" lets them end normally, "abort" aborts their signal and closes them ["finish"]',
        ),
      replicas: integer(
        0,
        100,
        0,
        'How many replicas of Redis must confirm a grant or a renewal before it counts; 0 requires none',
      ).register(restartOnly),
      host: z
        .string({ error: 'a name' })
        .regex(/^[^\s{}]{1,200}$/, { error: 'a name without spaces' })
        .optional()
        .describe(
          "This host's name in the fleet [the system's host name, and the run directory if one is set]",
        )
        .register(restartOnly),
    }),
    fleet: section({
      maxDown: integer(
        1,
        1_000,
        1,
        'How many hosts that share a Redis may be down at a time for stops, restarts and reloads that remove workers; the same on all hosts',
      ).register(restartOnly),
      returnMs: milliseconds(
        10_000,
        'How long a host that shares a Redis counts as down after it has stopped',
        0,
      ),
    }),
    admin: section({
      http: httpAddress
        .default(false)
        .describe(
          'Where the web page, health checks and metrics listen: a port of 127.0.0.1, "address:port", or true for "127.0.0.1:30154" [false]',
        ),
      hosts: z
        .array(
          z
            .string({ error: 'a host name' })
            .regex(/^[^\s:/]{1,253}$/, { error: 'a host name without a port' }),
          { error: 'a list of host names' },
        )
        .default([])
        .describe(
          'Additional host names accepted in the Host header of requests to the page, such as that of a proxy [[]]',
        ),
      tokenFile: z
        .string({ error: 'a path' })
        .min(1, { error: 'a path' })
        .optional()
        .describe(
          'File with the token that authorizes reloads and scaling; must not be world-readable, and is required when other hosts can reach the page',
        ),
    }),
    app: z
      .record(z.string(), z.unknown(), { error: 'an object' })
      .default({})
      .describe("The app's own settings, passed to it unchanged"),
  },
  { error: sectionError },
)

/** The paths of the settings that cannot change while the service runs, such as `['lease', 'ttlMs']`. */
export const restartOnlyPaths: readonly (readonly string[])[] = [...pathsIn(configSchema.shape)]

function* pathsIn(shape: Readonly<Record<string, z.core.$ZodType>>): Generator<readonly string[]> {
  for (const [key, setting] of Object.entries(shape)) {
    if (restartOnly.has(setting)) yield [key]
    const inner = setting instanceof z.ZodPrefault ? setting.unwrap() : setting
    if (!(inner instanceof z.ZodObject)) continue
    for (const path of pathsIn(inner.shape)) yield [key, ...path]
  }
}

/** The configuration file as parsed, defaults filled in. */
export type ConfigFile = z.output<typeof configSchema>

/** The JSON Schema that editors use, from the same source as the validation. */
export function configJsonSchema(): object {
  return { title: 'helloserver configuration', ...z.toJSONSchema(configSchema, { io: 'input' }) }
}
