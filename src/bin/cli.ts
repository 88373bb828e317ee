#!/usr/bin/env node
/** The command line; the rest is loaded once signals have listeners. */
import './cli-signals.ts'

await import('./command-line.ts')
