/** Taken when this module is loaded, so that a test runner's fake timers do not stop it. */
const immediately = setImmediate

/** Calls back in the next turn of the event loop. */
export function inNextTurn(act: () => void): void {
  immediately(act)
}

/** Resolves in the next turn of the event loop, when every promise that could settle has settled. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    immediately(resolve)
  })
}
