import { mayUse } from '../access/permissions'
import type { Ctx } from '../context'
import { FOLLOW_URL, operation, socketOf } from '../doctor-day/client'
import type { FollowRequest } from '../doctor-day/readers/followers'
import type { View } from '../doctor-day/readers/live'
import { dashboardKey } from '../doctor-day/storage/address'
import { sha256 } from '../lib/crypto'
import { onObject } from '../lib/outage'
import { NOT_VALID, shownTicket, TICKET_MS } from '../live/actions'
import { dayOfTicket, newTicket } from '../live/ticket'
import { Problem } from '../problem'
import type { DashboardTicket } from './model'

/** The socket of a dashboard, with a key. */
export function openDashboard(ctx: Ctx): Promise<WebSocket> {
  const facts = { clinicId: ctx.clinic.id, keyId: ctx.actor.keyId, view: viewOf(ctx), since: null }
  return open(ctx.env, dashboardKey(ctx.clinic.id), facts)
}

/**
 * Only a key that may read patients sees more of a patient than the name; so does a ticket that it issues.
 */
const viewOf = (ctx: Ctx): View => (mayUse(ctx, 'patients:read') ? 'desk' : 'board')

/** A ticket of a dashboard names neither doctor nor date, and every other ticket a date. */
const ANY = { doctorId: '', date: '' }

export function openDashboardByTicket(
  env: Pick<Env, 'DASHBOARD' | 'DOCTORDAY_SECRET'>,
  ticket: string,
): Promise<WebSocket> {
  const wanted = { ...ANY, view: undefined }
  const key = dayOfTicket(env.DOCTORDAY_SECRET, ticket, wanted, Date.now())
  if (key === null) throw new Problem('unauthenticated', NOT_VALID)
  return open(env, key, { ticket: sha256(ticket), ...wanted, since: null })
}

const open = (env: Pick<Env, 'DASHBOARD'>, key: string, wanted: FollowRequest): Promise<WebSocket> =>
  socketOf(
    (headers) => onObject(env.DASHBOARD, key, (object) => object.fetch(FOLLOW_URL, { headers })),
    wanted,
  )

/** As for the queue of a day: a retry cannot get the same ticket again. */
export async function issueDashboardTicket(ctx: Ctx): Promise<DashboardTicket> {
  const { opId } = await ctx.once.claim()
  const [day, view, expiresAt] = [dashboardKey(ctx.clinic.id), viewOf(ctx), ctx.now + TICKET_MS] as const
  const ticket = newTicket(ctx.env.DOCTORDAY_SECRET, { day, ...ANY, view, expiresAt })
  const wanted = { hash: sha256(ticket), clinicId: ctx.clinic.id, view, expiresAt }
  const issued = await onObject(ctx.env.DASHBOARD, day, (object) =>
    object.issueTicket(operation(ctx, opId), wanted),
  )
  return shownTicket(
    issued,
    { ticket, url: `/api/v1/ws/queue?${new URLSearchParams({ ticket })}` },
    expiresAt,
  )
}
