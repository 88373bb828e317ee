/** The parser of arguments, by `require`, which loads CommonJS faster than `import` (see src/control/json-rpc.ts). */
import { createRequire } from 'node:module'
import type * as Commander from 'commander'

export const { Argument, Command, CommanderError, InvalidArgumentError, Option } = createRequire(
  import.meta.url,
)('commander') as typeof Commander

export type Command = Commander.Command
export type Option = Commander.Option
