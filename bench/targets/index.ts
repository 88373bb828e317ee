import type { NativePrograms } from '../native.ts'
import { cIterative } from './c-iterative.ts'
import { helloserver } from './helloserver.ts'
import { helloserverWatched } from './helloserver-watched.ts'
import { nodeCluster, nodeClusterNone } from './node-cluster.ts'
import { pm2Cluster, pm2ClusterNoPmx } from './pm2-cluster.ts'
import type { Target, TargetName } from './target.ts'

/** The targets with these names, in the order of the names. */
export function targetsNamed(names: readonly TargetName[], programs: NativePrograms): Target[] {
  const all = [
    helloserver('native'),
    helloserver('portable'),
    helloserverWatched,
    pm2Cluster,
    pm2ClusterNoPmx,
    nodeCluster,
    nodeClusterNone,
    cIterative(programs.iterativeServer),
  ]
  return names.flatMap((name) => all.filter((target) => target.name === name))
}
