#!/usr/bin/env node
/** The command line; the rest is loaded once signals have listeners. */
import './cli-signals.ts'
import { load } from './load.ts'

const { runCommand } = await load('./command-line.js', () => import('./command-line.ts'))
await runCommand()
