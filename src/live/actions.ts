import { today } from '../access/actions'
import type { Ctx } from '../context'
import { onDay, openStream, operation } from '../doctor-day/client'
import { type DayKey, dayKey } from '../doctor-day/storage/address'
import { findDoctor, requireDoctor } from '../doctors/actions'
import { newSecret, sha256 } from '../lib/crypto'
import { iso, MINUTE_MS } from '../lib/time'
import { Problem } from '../problem'
import { type Follow, type NewTicket, sinceOf, type Ticket } from './model'

/** Long enough to load a page and to reconnect. An open connection continues after its ticket has expired. */
export const TICKET_MS = 15 * MINUTE_MS

/** A ticket starts with its day’s key, which leads to the object that issued it. */
const TICKET = /^([0-9a-f]{20})\.[A-Za-z0-9_-]{43}$/

/** Without a date: today, at the clinic. */
export async function followQueue(ctx: Ctx, doctorId: string, wanted: Follow): Promise<WebSocket> {
  const { date = today(ctx), view = 'desk', since } = wanted
  await requireDoctor(ctx, doctorId)
  const key = dayKey(ctx.clinic.id, doctorId, date)
  return openStream(ctx.env, key, { clinicId: ctx.clinic.id, view, since: sinceOf(since) })
}

/** The day alone checks its tickets: no other store is read. */
export async function followByTicket(
  env: Pick<Env, 'DOCTOR_DAY'>,
  doctorId: string,
  { ticket = '', date = '', view, since }: Follow,
): Promise<WebSocket> {
  const key = dayOfTicket(ticket)
  if (key === null) throw new Problem('unauthenticated', 'This is not a ticket; send it exactly as issued')
  return openStream(env, key, { ticket: sha256(ticket), doctorId, date, view, since: sinceOf(since) })
}

const dayOfTicket = (ticket: string): DayKey | null => TICKET.exec(ticket)?.[1] ?? null

/**
 * Only the hash of a ticket is stored, so a retry cannot get the same ticket again. If the first try failed
 * before the day issued a ticket, the retry gets one.
 */
export async function issueTicket(ctx: Ctx, doctorId: string, wanted: NewTicket): Promise<Ticket> {
  const { opId, claimedAt } = await findDoctor(ctx, doctorId)
  const { date = today(ctx, claimedAt), view } = wanted
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
  key_shown_once: 'The first request received the ticket; ask for another one with a new Idempotency-Key',
  live_full: 'Too many tickets for this day are valid now; try again when some have expired',
}
