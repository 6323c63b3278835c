import { and, asc, eq, gte, lte, sql } from 'drizzle-orm'
import { clinics } from '../access/model'
import { mayUse } from '../access/permissions'
import { dayOfAppointment, noRecord } from '../appointments/ids'
import { appointments } from '../appointments/model'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { see } from '../doctor-day/client'
import { selectDoctor } from '../doctors/actions'
import { doctors } from '../doctors/model'
import { isEqual, sha256 } from '../lib/crypto'
import { databaseOf } from '../lib/db'
import { DAY_MS, localDate } from '../lib/time'
import { notFound, Problem } from '../problem'
import type { Place, Visit } from './ics'
import { type ClosedFeed, doctorFeeds, type Feed, toFeed } from './model'
import { isFeedToken, newFeedToken } from './token'

/** What a feed shows, in UTC dates. */
const DAYS_BACK = 30
const DAYS_AHEAD = 180
/** 2 MB of calendar; a doctor with 23 appointments on each date has fewer. The latest are left out. */
export const FEED_EVENTS_MAX = 5_000

export async function getVisit(ctx: Ctx, id: string): Promise<{ visit: Visit; place: Place }> {
  const { seen } = await see(ctx, await dayOfAppointment(ctx, id), { view: 'appointment', id })
  if (!seen) throw noRecord()
  const [place] = await ctx.db
    .select({ clinicName: clinics.name, doctorName: doctors.name })
    .from(clinics)
    .leftJoin(doctors, and(eq(doctors.clinicId, clinics.id), eq(doctors.id, seen.doctorId)))
    .where(eq(clinics.id, ctx.clinic.id))
  if (!place) throw noRecord()
  const doctorName = mayUse(ctx, 'doctors:read') ? place.doctorName : null
  return { visit: seen, place: { ...place, doctorName } }
}

/**
 * Opens the feed of a doctor, and ends the one that was open. Only the hash of the token is stored, so a
 * retry cannot get the same token again.
 */
export async function openFeed(ctx: Ctx, doctorId: string): Promise<Feed> {
  const token = newFeedToken(ctx.env.DOCTORDAY_SECRET, doctorId)
  const tokenHash = sha256(token)
  const found = selectDoctor(ctx, doctorId)
  const { opId, results } = await ctx.once.transact(
    (op) => [
      found,
      ctx.db
        .insert(doctorFeeds)
        .select(sql`
          SELECT id, clinic_id, ${tokenHash}, ${ctx.now}, ${op} FROM ${doctors}
          WHERE clinic_id = ${ctx.clinic.id} AND id = ${doctorId} AND ${op} = ${ctx.once.opId}`)
        .onConflictDoUpdate({
          target: doctorFeeds.doctorId,
          set: { tokenHash, createdAt: ctx.now, opId: sql`excluded.op_id` },
        }),
      audited(ctx, 'doctor.feed_opened', doctorId),
    ],
    [found],
  )
  if (results[0].length === 0) throw notFound('Doctor')
  if (opId !== ctx.once.opId) throw new Problem('key_shown_once', SHOWN)
  return toFeed(doctorId, token, ctx.now)
}

const SHOWN = 'The first request received the token; open the feed again with a new Idempotency-Key'

/** Idempotent. A late retry closes no feed that was opened since. */
export async function closeFeed(ctx: Ctx, doctorId: string): Promise<ClosedFeed> {
  const found = selectDoctor(ctx, doctorId)
  const { results } = await ctx.once.transact(
    (op) => [
      found,
      ctx.db
        .delete(doctorFeeds)
        .where(
          and(
            eq(doctorFeeds.clinicId, ctx.clinic.id),
            eq(doctorFeeds.doctorId, doctorId),
            sql`${op} = ${ctx.once.opId}`,
          ),
        ),
      audited(ctx, 'doctor.feed_closed', doctorId),
    ],
    [found],
  )
  if (results[0].length === 0) throw notFound('Doctor')
  return { doctor_id: doctorId, closed: true }
}

/**
 * One query by index, of D1's copy. A token that is made up reaches no store; one that was revoked, or of a
 * doctor of another clinic, gets the same answer.
 */
export async function readFeed(
  env: Pick<Env, 'DB' | 'DOCTORDAY_SECRET'>,
  doctorId: string,
  token: string,
  now: number,
): Promise<Visit[]> {
  if (!isFeedToken(env.DOCTORDAY_SECRET, doctorId, token)) throw notValid()
  const hash = sha256(token)
  const { id, date, slot, startsAt, endsAt, status, moves, createdAt, updatedAt } = appointments
  const rows = await databaseOf(env.DB)
    .select({
      hash: doctorFeeds.tokenHash,
      visit: { id, date, slot, startsAt, endsAt, status, moves, createdAt, updatedAt },
    })
    .from(doctorFeeds)
    .leftJoin(
      appointments,
      and(
        eq(doctorFeeds.tokenHash, hash),
        eq(appointments.clinicId, doctorFeeds.clinicId),
        eq(appointments.doctorId, doctorFeeds.doctorId),
        gte(date, localDate(now - DAYS_BACK * DAY_MS, 'UTC')),
        lte(date, localDate(now + DAYS_AHEAD * DAY_MS, 'UTC')),
      ),
    )
    .where(eq(doctorFeeds.doctorId, doctorId))
    .orderBy(asc(date), asc(id))
    .limit(FEED_EVENTS_MAX)
  const [feed] = rows
  if (!feed || !isEqual(Buffer.from(feed.hash), Buffer.from(hash))) throw notValid()
  return rows.flatMap(({ visit }) => visit ?? [])
}

const notValid = () =>
  new Problem(
    'unauthenticated',
    'This token opens no feed of this doctor; send it as issued, or get a new one',
  )
