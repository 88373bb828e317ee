import type { TestContext } from 'node:test'

/** Sets variables of this process for the time of a test; undefined removes one. */
export function setEnvironment(
  t: TestContext,
  variables: Readonly<Record<string, string | undefined>>,
): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name]
    assign(name, value)
    t.after(() => assign(name, before))
  }
}

function assign(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
}
