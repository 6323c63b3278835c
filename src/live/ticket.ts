import { randomBytes } from 'node:crypto'
import type { View } from '../doctor-day/readers/live'
import type { DayKey } from '../doctor-day/storage/address'
import { isSigned, sign } from '../lib/secret'

/**
 * A ticket is `<day’s key>.<view, expiry, random bytes, signature>`. The deployment signs all of it, and the
 * doctor and date that the holder must name: a ticket that is made up, altered or expired, or used for
 * another day or view, is refused before any object is reached.
 */
const TICKET = /^([0-9a-f]{20})\.([A-Za-z0-9_-]{76})$/

const EXPIRY_BYTES = 6
const RANDOM_BYTES = 18
const HEAD_BYTES = 1 + EXPIRY_BYTES + RANDOM_BYTES

/** A byte of the ticket; never reorder. */
const VIEWS: View[] = ['desk', 'board']

interface TicketFacts {
  day: DayKey
  doctorId: string
  date: string
  view: View
  expiresAt: number
}

export function newTicket(setting: string, facts: TicketFacts): string {
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt8(VIEWS.indexOf(facts.view))
  head.writeUIntBE(facts.expiresAt, 1, EXPIRY_BYTES)
  randomBytes(RANDOM_BYTES).copy(head, 1 + EXPIRY_BYTES)
  const signature = sign(setting, 'ticket', signedText(facts, head))
  return `${facts.day}.${Buffer.concat([head, signature]).toString('base64url')}`
}

/** The day that the ticket leads to, or null: it is not valid now for this doctor, date and view. */
export function dayOfTicket(
  setting: string,
  ticket: string,
  wanted: { doctorId: string; date: string; view: View | undefined },
  now: number,
): DayKey | null {
  const [, day, rest] = TICKET.exec(ticket) ?? []
  if (day === undefined || rest === undefined) return null
  const bytes = Buffer.from(rest, 'base64url')
  const head = bytes.subarray(0, HEAD_BYTES)
  if (!isSigned(setting, 'ticket', signedText({ day, ...wanted }, head), bytes.subarray(HEAD_BYTES)))
    return null
  const isWider = wanted.view === 'desk' && VIEWS[head.readUInt8()] !== 'desk'
  return isWider || head.readUIntBE(1, EXPIRY_BYTES) <= now ? null : day
}

const signedText = (
  { day, doctorId, date }: Pick<TicketFacts, 'day' | 'doctorId' | 'date'>,
  head: Buffer,
): string => JSON.stringify([day, doctorId, date, head.toString('base64url')])
