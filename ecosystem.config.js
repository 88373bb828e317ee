/** pm2's configuration. Each entry is a service; docs/operations.md has the options. */
import { service } from 'helloserver/pm2'

export const apps = [
  service('helloserver'),
  // Each further service takes one more line:
  // service('whois'),
]
