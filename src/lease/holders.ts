/** Describes in a readable clause who holds the lease: "web1 has it", "web1, web2 have the lease". */
export function describeHolders(hosts: readonly string[], lease: string): string {
  return `${hosts.join(', ')} ${hosts.length > 1 ? 'have' : 'has'} ${lease}`
}
