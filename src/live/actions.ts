import { today } from '../access/actions'
import type { Ctx } from '../context'
import { onDay, openStream, operation } from '../doctor-day/client'
import { type DayKey, dayKey } from '../doctor-day/storage/address'
import { findDoctor, knownDoctor } from '../doctors/actions'
import { newSecret, sha256 } from '../lib/crypto'
import { iso, MINUTE_MS } from '../lib/time'
import { Problem } from '../problem'
import { type Follow, type NewTicket, sinceOf, type Ticket } from './model'

/** Long enough to load a page and to come again after a cut; who stays on is not cut off by it. */
export const TICKET_MS = 15 * MINUTE_MS

/** A ticket starts with its day's key, so it leads to the object that knows it. */
const TICKET = /^([0-9a-f]{20})\.[A-Za-z0-9_-]{43}$/

/** Without a date: today, at the clinic. */
export async function followQueue(ctx: Ctx, doctorId: string, wanted: Follow): Promise<WebSocket> {
  const { date = today(ctx), view = 'desk', since } = wanted
  await knownDoctor(ctx, doctorId)
  const key = dayKey(ctx.clinic.id, doctorId, date)
  return openStream(ctx.env, key, { clinicId: ctx.clinic.id, view, since: sinceOf(since) })
}

/** The day alone knows its tickets: this asks nobody else. */
export async function followByTicket(
  env: Pick<Env, 'DOCTOR_DAY'>,
  doctorId: string,
  { ticket = '', date = '', view, since }: Follow,
): Promise<WebSocket> {
  const key = dayOfTicket(ticket)
  if (key === null) throw new Problem('unauthenticated', 'This is no ticket')
  return openStream(env, key, { ticket: sha256(ticket), doctorId, date, view, since: sinceOf(since) })
}

const dayOfTicket = (ticket: string): DayKey | null => TICKET.exec(ticket)?.[1] ?? null

/**
 * Only the hash of a ticket is kept, so a retry can never be shown it again. The day says whether there was a
 * first time: where that died on the way, the retry gets the ticket.
 */
export async function issueTicket(ctx: Ctx, doctorId: string, wanted: NewTicket): Promise<Ticket> {
  const { date = today(ctx), view } = wanted
  const { opId } = await findDoctor(ctx, doctorId)
  const key = dayKey(ctx.clinic.id, doctorId, date)
  const ticket = `${key}.${newSecret()}`
  const expiresAt = ctx.now + TICKET_MS
  const issued = await onDay(ctx.env, key, (day) =>
    day.issueTicket(operation(ctx, opId), {
      hash: sha256(ticket),
      clinicId: ctx.clinic.id,
      view,
      expiresAt,
    }),
  )
  if (issued !== 'issued') throw new Problem(issued, REFUSED[issued])
  const query = new URLSearchParams({ date, ticket })
  const url = `/api/v1/checkins/doctors/${encodeURIComponent(doctorId)}/queue/live?${query}`
  return { ticket, url, view, date, expires_at: iso(expiresAt) }
}

const REFUSED = {
  key_shown_once: 'The earlier request got the ticket; ask for another with a new key',
  live_full: 'Too many tickets of this day are good at the moment',
}
