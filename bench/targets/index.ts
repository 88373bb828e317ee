import type { NativePrograms } from '../native.ts'
import { cIterative } from './c-iterative.ts'
import { helloserver } from './helloserver.ts'
import { helloserverWatched } from './helloserver-watched.ts'
import { nodeCluster } from './node-cluster.ts'
import { pm2Cluster } from './pm2-cluster.ts'
import type { Target, TargetName } from './target.ts'

/** The targets with these names, in the order of the names. */
export function targetsNamed(names: readonly TargetName[], programs: NativePrograms): Target[] {
  const all = [
    helloserver,
    helloserverWatched,
    pm2Cluster,
    nodeCluster,
    cIterative(programs.iterativeServer),
  ]
  return names.flatMap((name) => all.filter((target) => target.name === name))
}
