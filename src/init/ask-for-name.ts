import { createInterface } from 'node:readline/promises'

/** Asks on the terminal for the name of the app; an empty answer means `suggested`. */
export async function askForName(suggested: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const answer = await terminal.question(`Name of the app [${suggested}]: `)
    return answer.trim() === '' ? suggested : answer.trim()
  } finally {
    terminal.close()
  }
}
