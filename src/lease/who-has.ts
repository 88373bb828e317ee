/** Which hosts have it, as a clause for people: "web1 has it", "web1, web2 have the lease". */
export function whoHas(what: string, hosts: readonly string[]): string {
  return `${hosts.join(', ')} ${hosts.length > 1 ? 'have' : 'has'} ${what}`
}
