#!/usr/bin/env node
/** The command line; what it needs is loaded when signals have listeners. */
import './cli-signals.ts'

await import('./command-line.ts')
