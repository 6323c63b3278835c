import ipaddr from 'ipaddr.js'

/** Addresses of a network, as an operator names them. The start of the server reads this file too. */

type Address = ipaddr.IPv4 | ipaddr.IPv6
export type Range = [Address, number]

const BITS = { ipv4: 32, ipv6: 128 }

/** Addresses and ranges, with commas between them. Throws at a text that is neither. */
export const rangesIn = (text: string): Range[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(rangeOf)

function rangeOf(text: string): Range {
  const address = addressIn(text.split('/')[0] ?? '')
  if (!address) throw new Error(`${text} is no address`)
  return text.includes('/') ? ipaddr.parseCIDR(text) : [address, BITS[address.kind()]]
}

/** Null if the text is no address. An IPv4 address has four parts, and is the same when IPv6 wraps it. */
export function addressIn(text: string): Address | null {
  const isWhole = text.includes(':') ? ipaddr.IPv6.isValid(text) : ipaddr.IPv4.isValidFourPartDecimal(text)
  return isWhole ? ipaddr.process(text) : null
}

/** Whether a text is an address in one of the ranges. */
export function isIn(ranges: Range[], text: string): boolean {
  const address = addressIn(text)
  if (!address) return false
  return ranges.some(([range, bits]) => range.kind() === address.kind() && address.match(range, bits))
}
