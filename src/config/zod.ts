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
export type { core, input, output } from 'zod'
