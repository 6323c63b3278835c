import { today } from '../access/actions'
import { requireScopes } from '../access/permissions'
import type { Ctx } from '../context'
import { FOLLOW_URL, operation, socketOf } from '../doctor-day/client'
import type { FollowRequest } from '../doctor-day/readers/followers'
import type { View } from '../doctor-day/readers/live'
import { clinicDayKey } from '../doctor-day/storage/address'
import { sha256 } from '../lib/crypto'
import { onObject } from '../lib/outage'
import { NOT_VALID, shownTicket, TICKET_MS } from '../live/actions'
import { type Follow, type NewTicket, sinceOf, type Ticket } from '../live/model'
import { dayOfTicket, newTicket } from '../live/ticket'
import { Problem } from '../problem'

/** Without a date: today, at the clinic. */
export async function followClinic(ctx: Ctx, wanted: Follow): Promise<WebSocket> {
  const { date = today(ctx), view = 'desk', since } = wanted
  requireView(ctx, view)
  const { keyId } = ctx.actor
  const facts = { clinicId: ctx.clinic.id, keyId, view, date, since: sinceOf(since) }
  return openClinic(ctx.env, clinicDayKey(ctx.clinic.id, date), facts)
}

/** The desk of a whole clinic shows names, bookings and queues; a board only what a waiting room may see. */
function requireView(ctx: Ctx, view: View): void {
  if (view === 'desk') requireScopes(ctx, ['appointments:read', 'patients:read'], 'The view desk')
}

/** A ticket of a clinic names no doctor, and a ticket of a day always does: neither opens the other. */
const ANY_DOCTOR = ''

/** As for one day: the signature proves the ticket, and the object knows whether it was issued. */
export async function followClinicByTicket(
  env: Pick<Env, 'CLINIC_DAY' | 'DOCTORDAY_SECRET'>,
  { ticket = '', date = '', view, since }: Follow,
): Promise<WebSocket> {
  const wanted = { doctorId: ANY_DOCTOR, date, view }
  const key = dayOfTicket(env.DOCTORDAY_SECRET, ticket, wanted, Date.now())
  if (key === null) throw new Problem('unauthenticated', NOT_VALID)
  return openClinic(env, key, { ticket: sha256(ticket), ...wanted, since: sinceOf(since) })
}

const openClinic = (env: Pick<Env, 'CLINIC_DAY'>, key: string, wanted: FollowRequest): Promise<WebSocket> =>
  socketOf(
    (headers) => onObject(env.CLINIC_DAY, key, (object) => object.fetch(FOLLOW_URL, { headers })),
    wanted,
  )

/** As for one day. The key that issues a ticket for the desk must be able to see the desk itself. */
export async function issueClinicTicket(ctx: Ctx, wanted: NewTicket): Promise<Ticket> {
  requireView(ctx, wanted.view)
  const { opId, claimedAt } = await ctx.once.claim()
  const { date = today(ctx, claimedAt), view } = wanted
  const day = clinicDayKey(ctx.clinic.id, date)
  const expiresAt = ctx.now + TICKET_MS
  const ticket = newTicket(ctx.env.DOCTORDAY_SECRET, { day, doctorId: ANY_DOCTOR, date, view, expiresAt })
  const wantedTicket = { hash: sha256(ticket), clinicId: ctx.clinic.id, view, expiresAt }
  const issued = await onObject(ctx.env.CLINIC_DAY, day, (object) =>
    object.issueTicket(operation(ctx, opId), wantedTicket, date),
  )
  const url = `/api/v1/days/live?${new URLSearchParams({ date, ticket })}`
  return shownTicket(issued, { ticket, url, view, date }, expiresAt)
}
