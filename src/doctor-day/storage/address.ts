import { randomBytes } from 'node:crypto'
import { sha256 } from '../../lib/crypto'

/** 80 bits in hex: the name of the object that owns a day. */
export type DayKey = string

const KEY_DIGITS = 20
const UUID_V8 = /^([0-9a-f]{8})-([0-9a-f]{4})-8([0-9a-f]{3})-([89ab][0-9a-f]{3})-([0-9a-f]{12})$/

/** JSON separates the three parts: no choice of ids can produce the key of another clinic’s day. */
export const dayKey = (clinicId: string, doctorId: string, date: string): DayKey =>
  sha256(JSON.stringify([clinicId, doctorId, date])).slice(0, KEY_DIGITS)

/**
 * The id of an appointment, a hold or a place in the waitlist is a UUIDv8 (RFC 9562) that holds its day's
 * key: 48 bits before the version, 12 before the variant, 20 after it; then 42 random bits. A request with
 * the id reaches the day without a look-up.
 */
export function newIdOn(day: DayKey): string {
  const [head, middle, tail] = [day.slice(0, 12), day.slice(12, 15), BigInt(`0x${day.slice(15)}`)]
  const random = BigInt(`0x${randomBytes(6).toString('hex')}`) >> 6n
  const last = ((0b10n << 62n) | (tail << 42n) | random).toString(16)
  return `${head.slice(0, 8)}-${head.slice(8)}-8${middle}-${last.slice(0, 4)}-${last.slice(4)}`
}

/** The ids that hold this key, and few others: `from` ≤ id < `until`. */
export function idsOn(day: DayKey): { from: string; until: string } {
  const from = `${day.slice(0, 8)}-${day.slice(8, 12)}-8${day.slice(12, 15)}-`
  return { from, until: `${from.slice(0, -1)}.` }
}

/** The key of the day in such an id, or null where the text is not such an id. */
export function dayKeyOf(id: string): DayKey | null {
  const [, one, two, three, four, five] = UUID_V8.exec(id) ?? []
  if (!one || !two || !three || !four || !five) return null
  const tail = ((BigInt(`0x${four}${five}`) & ((1n << 62n) - 1n)) >> 42n).toString(16).padStart(5, '0')
  return one + two + three + tail
}
