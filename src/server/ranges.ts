import ipaddr from 'ipaddr.js'

/** Addresses of a network, as an operator names them. The start of the server reads this file too. */

export type Range = [ipaddr.IPv4 | ipaddr.IPv6, number]

/** Addresses and ranges, with commas between them. Throws at one that is neither. */
export const rangesIn = (text: string): Range[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      if (part.includes('/')) return ipaddr.parseCIDR(part)
      const address = ipaddr.process(part)
      return [address, address.kind() === 'ipv4' ? 32 : 128]
    })

/** Whether a text is an address in one of the ranges. */
export const isIn = (ranges: Range[], text: string): boolean => {
  if (!ipaddr.isValid(text)) return false
  const address = ipaddr.process(text)
  return ranges.some(([range, bits]) => range.kind() === address.kind() && address.match(range, bits))
}
