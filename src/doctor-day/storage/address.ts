import { randomInt } from 'node:crypto'
import { sha256 } from '../../lib/crypto'
import { isSigned, sign } from '../../lib/secret'

/** 80 bits in hex: the name of the object that owns a day. */
export type DayKey = string

const KEY_DIGITS = 20
const UUID_V8 = /^([0-9a-f]{8})-([0-9a-f]{4})-8([0-9a-f]{3})-([89ab][0-9a-f]{3})-([0-9a-f]{12})$/

/** JSON separates the three parts: no choice of ids can produce the key of another clinic’s day. */
export const dayKey = (clinicId: string, doctorId: string, date: string): DayKey =>
  sha256(JSON.stringify([clinicId, doctorId, date])).slice(0, KEY_DIGITS)

/** The name of the object that follows all days of a clinic on one date; no day has this name. */
export const clinicDayKey = (clinicId: string, date: string): string =>
  sha256(JSON.stringify({ clinicId, date })).slice(0, KEY_DIGITS)

/** The name of the object that holds the old dashboards of a clinic. */
export const dashboardKey = (clinicId: string): string =>
  sha256(JSON.stringify({ clinicId })).slice(0, KEY_DIGITS)

const NUMBER_BITS = 18n
const MAC_BITS = 24n
const MAC_BYTES = Number(MAC_BITS) / 8

/** Far more than the events of a day. */
const NUMBERS = Number(1n << NUMBER_BITS)

/**
 * The id of an appointment, a hold or a place in the waitlist is a UUIDv8 (RFC 9562) that holds its day's
 * key: 48 bits before the version, 12 before the variant, 20 after it. Then follow a number that no other id
 * of that day has (18 bits) and the beginning of a signature of key and number (24 bits). A request with the
 * id reaches the day without a look-up, and a made-up id reaches no day.
 */
export function newIdOn(day: DayKey, secret: string | undefined, isUsed: (id: string) => boolean): string {
  for (;;) {
    const id = idOf(day, randomInt(NUMBERS), secret)
    if (!isUsed(id)) return id
  }
}

function idOf(day: DayKey, number: number, secret: string | undefined): string {
  const [head, middle, tail] = [day.slice(0, 12), day.slice(12, 15), BigInt(`0x${day.slice(15)}`)]
  const mac = BigInt(`0x${sign(secret, 'id', `${day}:${number}`).toString('hex', 0, MAC_BYTES)}`)
  const end = (tail << (NUMBER_BITS + MAC_BITS)) | (BigInt(number) << MAC_BITS) | mac
  const last = ((0b10n << 62n) | end).toString(16)
  return `${head.slice(0, 8)}-${head.slice(8)}-8${middle}-${last.slice(0, 4)}-${last.slice(4)}`
}

/** The ids that hold this key, and few others: `from` ≤ id < `until`. */
export function idsOn(day: DayKey): { from: string; until: string } {
  const from = `${day.slice(0, 8)}-${day.slice(8, 12)}-8${day.slice(12, 15)}-`
  return { from, until: `${from.slice(0, -1)}.` }
}

/** Stands in a command for an id that the day makes. */
export const NEW_ID = 'new'

/** The command, with the day's next id where it asks for one. */
export function withNewId<C extends object>(command: C, newId: () => string): C {
  const asked = ['appointmentId', 'holdId', 'waitId'].filter((name) => Reflect.get(command, name) === NEW_ID)
  return Object.assign({}, command, ...asked.map((name) => ({ [name]: newId() })))
}

/** Whether a day has made this id. Of ids from before they were signed, nothing proves it. */
export function isIssued(id: string, secret: string | undefined): boolean {
  const day = dayKeyOf(id)
  if (!day) return false
  const [end, mac] = [id.replaceAll('-', '').slice(-11), Buffer.from(id.slice(-6), 'hex')]
  const number = (BigInt(`0x${end}`) >> MAC_BITS) & ((1n << NUMBER_BITS) - 1n)
  return isSigned(secret, 'id', `${day}:${number}`, mac)
}

/** The key of the day in such an id, or null where the text is not such an id. */
export function dayKeyOf(id: string): DayKey | null {
  const [, one, two, three, four, five] = UUID_V8.exec(id) ?? []
  if (!one || !two || !three || !four || !five) return null
  const tail = ((BigInt(`0x${four}${five}`) & ((1n << 62n) - 1n)) >> 42n).toString(16).padStart(5, '0')
  return one + two + three + tail
}
