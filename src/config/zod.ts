import { config } from 'zod'

export type { core, input, output } from 'zod'
export {
  array,
  boolean,
  custom,
  enum,
  int,
  literal,
  object,
  record,
  registry,
  strictObject,
  string,
  toJSONSchema,
  union,
  unknown,
  ZodObject,
  ZodPrefault,
} from 'zod'

// A configuration is read once: compiling code for that takes longer than the code would save.
config({ jitless: true })
