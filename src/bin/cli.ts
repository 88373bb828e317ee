#!/usr/bin/env node
/** The command line; the rest is loaded once signals have listeners. */
import './cli-signals.ts'
import type * as CommandLine from './command-line.ts'
import { load } from './load.ts'

const { runCommand } = load('./command-line.js') as typeof CommandLine
await runCommand()
