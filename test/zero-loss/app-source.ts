const app = new URL('./app.js', import.meta.url).href

/** The app as the sandbox's file has it: short, so that an event can replace it by another one. */
export const appSource = `export { default } from '${app}'\n`

/** Releases that must never serve, by what is wrong with them. */
export const brokenSources: Readonly<Record<string, string>> = {
  'syntax error': 'export default {',
  'throws at load': `throw new Error('bad release')`,
  'throws in setup': `export default { setup() { throw new Error('bad release') }, handle() {} }`,
  'hangs in setup': `export default { setup: () => new Promise(() => {}), handle() {} }`,
  'exits in setup': `export default { setup() { process.exit(1) }, handle() {} }`,
}
