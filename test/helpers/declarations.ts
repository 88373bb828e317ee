import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A declaration file of this package, as the compiler writes it: one statement after the other, each on a new line. */
interface DeclarationFile {
  /** The texts of its declarations, by their names. */
  readonly declared: ReadonlyMap<string, string>
  /** Where names that it imports or exports again come from, by the names that they have here. */
  readonly imported: ReadonlyMap<string, Origin>
}

/** A name in another file or package. */
interface Origin {
  readonly from: string
  readonly name: string
}

const statement =
  /^(?=(?:export |declare |abstract )*(?:class|interface|type|enum|function|const) \w)/m
const nameOf = /^(?:export |declare |abstract )*(?:class|interface|type|enum|function|const) (\w+)/
const list = /^(?:import|export) (?:type )?\{([^}]*)\} from '([^']*)'/gm

/**
 * The types that public signatures mention and that no entry point exports, each as "NAME, for DECLARATION".
 *
 * @param entries - the declaration files of entry points; a type counts as exported if one of them exports it
 */
export function unexportedTypes(entries: readonly string[]): string[] {
  const exported = entries.flatMap((entry) => exportsOf(entry).map((name) => originOf(entry, name)))
  const isExported = (one: Origin) =>
    exported.some(({ from, name }) => from === one.from && name === one.name)
  const missing = exported.flatMap((one) =>
    mentionedBy(one)
      .filter((type) => !isExported(type))
      .map((type) => `${type.name}, for ${one.name}`),
  )
  return [...new Set(missing)]
}

/** The names that an entry point exports. */
export function exportsOf(entry: string): string[] {
  const { declared, imported } = read(entry)
  const own = [...declared].filter(([, text]) => text.startsWith('export '))
  return [...imported.keys(), ...own.map(([name]) => name)]
}

/** The types that a declaration mentions, but for those of the language and of Node.js. */
function mentionedBy({ from, name }: Origin): Origin[] {
  if (!isFile(from)) return []
  const { declared, imported } = read(from)
  const isType = (word: string) =>
    /^(?:export |declare |abstract )*(class|interface|type|enum)/.test(declared.get(word) ?? '')
  const words = new Set((declared.get(name) ?? '').match(/\b\w+\b/g))
  return [...words]
    .filter((word) => word !== name && (isType(word) || imported.has(word)))
    .map((word) => originOf(from, word))
    .filter((origin) => !origin.from.startsWith('node:'))
}

/** Where a name of a file is declared. */
function originOf(file: string, name: string): Origin {
  const origin = read(file).imported.get(name)
  if (origin === undefined) return { from: file, name }
  if (!origin.from.startsWith('.')) return origin
  return originOf(declarationsOf(join(dirname(file), origin.from)), origin.name)
}

/** Of a module: the compiler keeps the name of the source in imports. */
function declarationsOf(module: string): string {
  return module.replace(/\.[jt]s$/, '.d.ts')
}

const isFile = (from: string) => from.startsWith('/')

const known = new Map<string, DeclarationFile>()

function read(file: string): DeclarationFile {
  const parsed = known.get(file) ?? parse(readFileSync(file, 'utf8').replace(/\/\*.*?\*\//gs, ''))
  known.set(file, parsed)
  return parsed
}

function parse(text: string): DeclarationFile {
  const declared = text.split(statement).flatMap((part) => {
    const [, name] = nameOf.exec(part) ?? []
    return name === undefined ? [] : [[name, part.replace(/'[^']*'/g, '')] as const]
  })
  const imported = [...text.matchAll(list)].flatMap(([, names = '', from = '']) =>
    names.split(',').map((one) => {
      const [name = '', local = name] = one
        .trim()
        .replace(/^type /, '')
        .split(' as ')
      return [local, { from, name }] as const
    }),
  )
  return { declared: new Map(declared), imported: new Map(imported) }
}
