import { today } from '../access/actions'
import type { Ctx } from '../context'
import { notRefused, onDay, openStream, operation } from '../doctor-day/client'
import { dayKey } from '../doctor-day/storage/address'
import type { IssueOutcome } from '../doctor-day/storage/tickets'
import { requireDoctor } from '../doctors/actions'
import { findDoctor } from '../doctors/finding'
import { sha256 } from '../lib/crypto'
import { iso, MINUTE_MS } from '../lib/time'
import { Problem } from '../problem'
import { type Follow, type NewTicket, sinceOf, type Ticket } from './model'
import { dayOfTicket, newTicket } from './ticket'

/** Long enough to load a page and to reconnect. An open connection continues after its ticket has expired. */
export const TICKET_MS = 15 * MINUTE_MS

/** Without a date: today, at the clinic. */
export async function followQueue(ctx: Ctx, doctorId: string, wanted: Follow): Promise<WebSocket> {
  const { date = today(ctx), view = 'desk', since } = wanted
  await requireDoctor(ctx, doctorId)
  const key = dayKey(ctx.clinic.id, doctorId, date)
  const { keyId } = ctx.actor
  return openStream(ctx.env, key, { clinicId: ctx.clinic.id, keyId, view, since: sinceOf(since) })
}

/**
 * The signature proves the ticket before the day is reached; the day knows whether it was issued, and asks D1
 * whether the key that issued it is still valid.
 */
export async function followByTicket(
  env: Pick<Env, 'DOCTOR_DAY' | 'DOCTORDAY_SECRET'>,
  doctorId: string,
  { ticket = '', date = '', view, since }: Follow,
): Promise<WebSocket> {
  const key = dayOfTicket(env.DOCTORDAY_SECRET, ticket, { doctorId, date, view }, Date.now())
  if (key === null) throw new Problem('unauthenticated', NOT_VALID)
  return openStream(env, key, { ticket: sha256(ticket), doctorId, date, view, since: sinceOf(since) })
}

export const NOT_VALID =
  'This ticket is not valid now for this doctor, date and view; send it as issued, or get a new one'

/**
 * Only the hash of a ticket is stored, so a retry cannot get the same ticket again. If the first try failed
 * before the day issued a ticket, the retry gets one.
 */
export async function issueTicket(ctx: Ctx, doctorId: string, wanted: NewTicket): Promise<Ticket> {
  const { opId, claimedAt } = await findDoctor(ctx, doctorId)
  const { date = today(ctx, claimedAt), view } = wanted
  const day = dayKey(ctx.clinic.id, doctorId, date)
  const expiresAt = ctx.now + TICKET_MS
  const ticket = newTicket(ctx.env.DOCTORDAY_SECRET, { day, doctorId, date, view, expiresAt })
  const wantedTicket = { hash: sha256(ticket), clinicId: ctx.clinic.id, view, expiresAt }
  const issued = notRefused(
    await onDay(ctx.env, day, (object) => object.issueTicket(operation(ctx, opId), wantedTicket)),
  )
  const query = new URLSearchParams({ date, ticket })
  const url = `/api/v1/checkins/doctors/${encodeURIComponent(doctorId)}/queue/live?${query}`
  return shownTicket(issued, { ticket, url, view, date }, expiresAt)
}

/** The ticket, if the object has issued it. */
export function shownTicket<Shown extends object>(issued: IssueOutcome, shown: Shown, expiresAt: number) {
  if (issued === 'key_shown_once') throw new Problem(issued, REFUSED[issued])
  if (issued !== 'issued') throw new Problem('live_full', REFUSED[issued.full], issued)
  return { ...shown, expires_at: iso(expiresAt) }
}

const REFUSED = {
  key_shown_once: 'The first request received the ticket; ask for another one with a new Idempotency-Key',
  day: 'Too many tickets for this day are valid now; try again when some have expired',
  key: 'Too many tickets that this key issued for this day are valid now; try again when some have expired',
}
