/** The commands and their options. Exit statuses: docs/operations.md. */

import { version } from '../build-id.ts'
import { commands } from '../cli/commands.ts'
import type { FleetRequest } from '../cli/fleet-command.ts'
import { locateApp, usualName, type WithExample } from '../cli/locate-app.ts'
import type { Options } from '../cli/options.ts'
import { printError, printWarning } from '../cli/output.ts'
import { examples } from '../config/examples.ts'
import { type LogLevel, logLevels } from '../config/log-levels.ts'
import { unknownVariables } from '../config/unknown-variables.ts'
import { maxWorkers, minWorkers } from '../config/worker-count.ts'
import { codeOf, exitStatus, exitStatusOf } from '../errors.ts'
import type { InitOptions } from '../init/init.ts'
import { refuseFewOpenFiles } from '../launch/least-files.ts'
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from './commander.ts'
import { load } from './load.ts'
import type * as Serving from './serve.ts'

const program = new Command('helloserver')
  .description(
    'A TCP server daemon: one listening socket, workers that handle one connection at a time',
  )
  .version(version)
  .exitOverride()
  .showHelpAfterError('(helloserver --help shows the commands)')
  .addHelpText(
    'after',
    '\nExit status: 0 done, 1 failed, 2 usage, 3 not running, 4 already running, 78 bad configuration',
  )

appCommand('run', 'serve in the foreground, until Ctrl-C').action(
  async (options: Options & WithExample) => {
    try {
      refuseFewOpenFiles()
      locateApp(options)
    } catch (error) {
      printError(error, options)
      process.exit(exitStatusOf(error))
    }
    const { serve } = load('./serve.js') as typeof Serving
    process.exit(await serve(options.name, 'foreground', options.json))
  },
)
program
  .command('dev')
  .description('serve in the foreground and reload on every change, until Ctrl-C')
  .argument('[name]', "the app [the project's only one, or helloserver]")
  .option('--port <port>', 'port to listen on, instead of the configured one', portNumber)
  .exitOverride()
  .action(async (given: string | undefined, { port: wanted }: { port?: number }) => {
    const name = given ?? usualName({})
    try {
      const { Development } = await import('../dev/development.ts')
      process.exit(await new Development({ name, port: wanted }).run())
    } catch (error) {
      printError(error, { name, json: false })
      process.exit(exitStatusOf(error))
    }
  })
appCommand('start', 'serve as a daemon, without pm2').action(run(commands.start))
forcible('stop', 'serve queued and active connections, then end').action(run(commands.stop))
forcible('reload', 'apply the configuration and the code on disk, losing no connection').action(
  run(commands.reload),
)
command('upgrade', 'replace the primary itself with the one on disk, losing no connection').action(
  run(commands.upgrade),
)
forcible('restart', 'stop, then start').addOption(example()).action(run(commands.restart))
command('status', 'show the state of the service').action(run(commands.status))
command('workers', 'show the workers').action(run(commands.workers))
command('scale', 'set the number of workers until the next reload')
  .argument('<workers>', 'number of workers', workerCount)
  .action((workers: number, options: Options) => run((o) => commands.scale(workers, o))(options))
command('log-level', 'set the log level until the next reload')
  .addArgument(new Argument('<level>', 'least severe level that is logged').choices(logLevels))
  .action((level: LogLevel, options: Options) => run((o) => commands.logLevel(level, o))(options))
appCommand('check', 'check the configuration and load the app; serves nothing').action(
  run(commands.check),
)
program
  .command('load-app', { hidden: true })
  .argument('<module>')
  .argument('<milliseconds>')
  .requiredOption('--name <name>')
  .option('--json', undefined, false)
  .action((module: string, withinMs: string, options: Options) =>
    commands.loadApp(module, Number(withinMs), options),
  )
program
  .command('init')
  .description('create a project with an app, or add an app to a project')
  .argument('[folder]', 'folder of the project', '.')
  .option('--name <name>', "the app's name [the folder's]")
  .option('-y, --yes', 'ask nothing', false)
  .option('--json', 'print JSON', false)
  .exitOverride()
  .action((folder: string, options: Omit<InitOptions, 'folder'>) =>
    run(() => commands.init({ ...options, folder }))({ ...options, name: 'init' }),
  )
command('fleet', 'show the hosts that share a Redis, forget one, or clear a refused build')
  .argument('[action]', 'show, forget or clear', 'show')
  .argument('[subject]', 'the host to forget, or the build to clear')
  .option('--force', 'forget a host even when it is alive', false)
  .option('--all', 'clear every refused build', false)
  .action(
    (
      action: string,
      subject: string | undefined,
      options: Options & Pick<FleetRequest, 'force' | 'all'>,
    ) => run((o) => commands.fleet({ ...options, action, subject }, o))(options),
  )
command('logs', 'show the log')
  .option('-f, --follow', 'follow the log as it grows')
  .option('-n, --lines <count>', 'number of lines to show first', lineCount, 20)
  .action((options: Options & { follow?: boolean; lines: number }) =>
    run((o) => commands.logs(o, options.lines, options.follow === true))(options),
  )

command('top', 'watch the service; keys reload and scale it')
  .option('-i, --interval <seconds>', 'seconds between refreshes', seconds, 1)
  .option('--once', 'show the service once, and exit', false)
  .action((options: Options & { interval: number; once: boolean }) =>
    run((o) => commands.top({ ...options, ...o }))(options),
  )

/** Runs the command that the arguments of this process name. */
export async function runCommand(): Promise<void> {
  try {
    await program.parseAsync()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === 0 ? exitStatus.done : exitStatus.usage
  }
}

function command(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--name <name>', "name of the service [the project's only app, or helloserver]")
    .option('--json', 'print JSON', false)
    .exitOverride()
    .hook('preAction', (given) => {
      const { name: chosen, ...options } = given.opts<Partial<Options> & WithExample>()
      if (chosen === undefined) given.setOptionValue('name', usualName(options))
    })
}

/** A command that begins with an app's configuration. */
function appCommand(name: string, description: string): Command {
  return command(name, description).addOption(example())
}

function example(): Option {
  return new Option('--example <app>', 'run a bundled app').choices(examples)
}

/** A command that may have to wait until other hosts are back. */
function forcible(name: string, description: string): Command {
  return command(name, description).option(
    '--force',
    'do not wait for a permit from the fleet',
    false,
  )
}

/** Runs a command and turns an error into a line and an exit status. */
function run<O extends Options>(
  perform: (options: O) => Promise<void>,
): (options: O) => Promise<void> {
  return async (options) => {
    for (const output of [process.stdout, process.stderr]) output.on('error', onLostOutput)
    for (const unknown of unknownVariables()) printWarning(unknown, options)
    try {
      await perform(options)
    } catch (error) {
      printError(error, options)
      process.exitCode = exitStatusOf(error)
    }
    // Otherwise anything that an app leaves running after `check` would keep this process alive.
    process.stdout.write('', () => process.exit())
  }
}

/** A reader that closes its end early, such as `head`, is no failure, and must not end a restart halfway. */
function onLostOutput(error: Error): void {
  if (codeOf(error) !== 'EPIPE') process.exitCode = exitStatus.failed
}

function workerCount(text: string): number {
  return wholeNumber(text, minWorkers, maxWorkers)
}

function portNumber(text: string): number {
  return wholeNumber(text, 0, 65_535)
}

function lineCount(text: string): number {
  return wholeNumber(text, 0, 100_000)
}

function seconds(text: string): number {
  const value = Number(text)
  if (/^\d*\.?\d+$/.test(text) && value >= 0.1 && value <= 3_600) return value
  throw new InvalidArgumentError('It must be a number of seconds from 0.1 to 3600.')
}

function wholeNumber(text: string, min: number, max: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`)
}
