/** A readable clause that names the holders: "web1 has it", "web1, web2 have the lease". */
export function whoHas(what: string, hosts: readonly string[]): string {
  return `${hosts.join(', ')} ${hosts.length > 1 ? 'have' : 'has'} ${what}`
}
