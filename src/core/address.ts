import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { LONGEST_ADDRESS } from './bounds.ts'

/** How much of a client's address a session keeps: its network (`'truncated'`), nothing (`'none'`) or all of it (`'full'`). */
export type AddressMode = 'truncated' | 'none' | 'full'

/**
 * A client's address as a session keeps and shows it. Truncated, it tells the network and not the household: the last octet
 * of an IPv4 address is 0 (/24), and of an IPv6 address only the first 48 bits are kept, the most that one customer gets. An
 * IPv4 address written as IPv6 (`::ffff:192.0.2.7`, as Node gives it) counts as IPv4, and a zone id (`fe80::1%eth0`) is dropped.
 * @returns one spelling for each address, or `null` for what is no address: `unknown`, an octal octet, an address with a port
 */
export function shownAddress(address: string | undefined, mode: AddressMode): string | null {
  if (mode === 'none' || address === undefined || address.length > LONGEST_ADDRESS) return null
  // ipaddr.js alone would also read '127.1' and '0x7f000001', which a proxy's log and this one would then tell differently.
  if (isIP(address) === 0) return null
  const [bare = ''] = address.split('%')
  const full = ipaddr.process(bare)
  if (mode === 'full') return full.toString()
  const [family, bits] = full.kind() === 'ipv6' ? [ipaddr.IPv6, 48] : [ipaddr.IPv4, 24]
  return family.networkAddressFromCIDR(`${full}/${bits}`).toString()
}
