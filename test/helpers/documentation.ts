import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownRoot } from '../../src/config/locate.ts'

/** A command in the documentation. */
export interface DocumentedCommand {
  /** The page, relative to the checkout. */
  readonly page: string
  readonly line: number
  readonly text: string
  /** The output that the page shows below the command; undefined if it shows none. */
  readonly output?: string
}

/** The README, every page of docs/, and the README of each bundled app. */
export function pages(): string[] {
  const docs = readdirSync(join(ownRoot, 'docs')).filter((file) => file.endsWith('.md'))
  const apps = readdirSync(join(ownRoot, 'apps')).map((app) => `apps/${app}/README.md`)
  return [
    'README.md',
    ...docs.toSorted().map((file) => `docs/${file}`),
    ...apps.filter((page) => existsSync(join(ownRoot, page))).toSorted(),
  ]
}

/** The first block of code on a page that is in one of the languages and contains a text. */
export function codeIn(page: string, languages: readonly string[], containing: string): string {
  const found = fences(page).find(
    ({ language, lines }) =>
      languages.includes(language) && lines.some((line) => line.includes(containing)),
  )
  if (found === undefined) throw new Error(`${page} has no code with ${containing}`)
  return `${found.lines.join('\n')}\n`
}

/** The commands in a page's shell blocks, in order; a block named `console` also shows their output. */
export function blockCommands(page: string): DocumentedCommand[] {
  return fences(page).flatMap(({ language, line, lines }) => {
    if (language === 'console') return transcript(page, line, lines)
    if (!['sh', 'bash', 'shell'].includes(language)) return []
    return lines
      .map((text, at) => ({ page, line: line + at, text: withoutComment(text) }))
      .filter(({ text }) => text !== '')
  })
}

/** The programs by which a piece of code in the text is known to be a command. */
const programs =
  /^(?:\w+=\S+ )*(?:npx|npm|pnpm|yarn|pm2|helloserver|node|kill|docker|systemctl|journalctl|redis-\w+|curl|nc|printf|ssh|tsc|ulimit|promtool|sudo|apt|apt-get|cp|ln|rsync|git) +\S/

/** The commands in a page's text and tables. */
export function inlineCommands(page: string): DocumentedCommand[] {
  const inFences = new Set(
    fences(page).flatMap(({ line, lines }) => lines.map((_text, at) => line + at)),
  )
  return linesOf(page).flatMap((text, at) => {
    const line = at + 1
    if (inFences.has(line)) return []
    return [...text.matchAll(/`([^`]+)`/g)]
      .map(([, code = '']) => code)
      .filter((code) => programs.test(code))
      .map((code) => ({ page, line, text: code }))
  })
}

interface Fence {
  readonly language: string
  /** The line number of its first line of code. */
  readonly line: number
  readonly lines: readonly string[]
}

function fences(page: string): Fence[] {
  const found: Fence[] = []
  let open: { language: string; line: number; lines: string[] } | undefined
  for (const [at, text] of linesOf(page).entries()) {
    const [, language] = /^ *```(\w*)$/.exec(text) ?? []
    if (language === undefined) open?.lines.push(text)
    else if (open === undefined) open = { language, line: at + 2, lines: [] }
    else {
      found.push(open)
      open = undefined
    }
  }
  return found
}

function transcript(page: string, first: number, lines: readonly string[]): DocumentedCommand[] {
  const commands: { page: string; line: number; text: string; output: string }[] = []
  for (const [at, text] of lines.entries()) {
    const last = commands.at(-1)
    if (text.startsWith('$ ')) {
      commands.push({ page, line: first + at, text: text.slice(2), output: '' })
    } else if (last !== undefined) last.output += `${text}\n`
  }
  return commands
}

function withoutComment(text: string): string {
  return text.replace(/(?:^|\s+)#.*$/, '').trim()
}

export function textOf(page: string): string {
  return readFileSync(join(ownRoot, page), 'utf8')
}

function linesOf(page: string): string[] {
  return textOf(page).split('\n')
}
