/** What pm2 runs in its own cluster mode: whatever goes wrong while it starts ends it with status 1. */
import('./plain-server.js')
  .then(({ serve }) => serve())
  .catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`)
    process.exit(1)
  })
