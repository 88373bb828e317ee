/** The seed of a randomized test: printed by the test, and set by HELLOSERVER_TEST_SEED to repeat a run. */
export function chooseSeed(): number {
  return Number(process.env['HELLOSERVER_TEST_SEED'] ?? Date.now() % 2 ** 32)
}

/** Random numbers from 0 to below 1, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How many inputs a fuzz test makes: `usual`, unless a longer run is asked for, by `FUZZ_INPUTS=100000` for instance. */
export function fuzzInputs(usual: number): number {
  return Number(process.env['FUZZ_INPUTS'] ?? usual)
}
