import fc from 'fast-check'

/**
 * Any character of Unicode that UTF-8 has, as the unit of a string. The one that comes with fast-check draws a table of
 * all of them first, which takes longer than the tests.
 */
export const anyCharacter = fc
  .oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code))
