const refuse = () => {
  throw new Error('not to be looked at')
}

/** What a handler may throw, and what is not easy to look at. */
export function hostileValues(): unknown[] {
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const cyclic = new Error('cyclic')
  cyclic.cause = cyclic
  const deep = Array.from({ length: 5_000 }).reduce<Error | undefined>(
    (cause) => new Error('deep', { cause }),
    undefined,
  )
  return [
    null,
    undefined,
    Symbol('thrown'),
    1n,
    Number.NaN,
    () => {},
    Object.create(null),
    revoked.proxy,
    new Proxy(new Error('behind a proxy'), {
      get: refuse,
      has: refuse,
      getPrototypeOf: refuse,
      ownKeys: refuse,
    }),
    { toString: refuse, valueOf: refuse },
    { [Symbol.toPrimitive]: refuse },
    ...['message', 'code', 'stack', 'cause', 'name', 'constructor', 'toString', 'toJSON'].map(
      (name) => Object.defineProperty(new Error('x'), name, { get: refuse, enumerable: true }),
    ),
    ...['message', 'stack', 'code'].map((name) =>
      Object.defineProperty(new Error('x'), name, { value: { toString: refuse, toJSON: refuse } }),
    ),
    cyclic,
    deep,
    Object.assign(new Error('big'), { data: 'x'.repeat(1_000_000), list: Array(100_000).fill(7) }),
    'x'.repeat(1_000_000),
    new AggregateError([cyclic, null], 'several'),
  ]
}
