import { and, eq, not, type SQL, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { ClinicSettings, Ctx } from '../context'
import type { IfMatch } from '../http/etag'
import { DAY_MS, localDate } from '../lib/time'
import { etagOf } from '../patients/model'
import { notFound, Problem } from '../problem'
import { requireClinicRow, selectClinic } from './actions'
import { forgetClinic } from './known-keys'
import { type ChangeClinic, type ClinicRow, clinics } from './model'

/**
 * Changes a clinic as it was when the caller read it: `ifMatch` is the ETag of that answer. Other isolates
 * know the clinic as it was for as long as they know its keys. A retry gets the clinic as it is by then.
 */
export async function changeClinic(
  ctx: Ctx,
  id: string,
  wanted: ChangeClinic,
  ifMatch: IfMatch | undefined,
): Promise<ClinicRow> {
  const before = await requireClinicRow(ctx, id)
  if (ifMatch === undefined)
    throw new Problem('if_match_required', 'Send If-Match with the ETag of the clinic')
  const after = changed(before, wanted)
  const isRead = ifMatch(etagOf(before.version))
  const { opId, reply, results } = await ctx.once
    .transact((op) => [
      ctx.db
        .update(clinics)
        .set({ ...after, version: sql`${clinics.version} + 1`, changeOp: op })
        .where(
          and(
            eq(clinics.id, id),
            eq(clinics.version, isRead ? before.version : NO_VERSION),
            sql`${op} = ${ctx.once.opId}`,
            after.timeZone === before.timeZone ? undefined : not(hasDaysAhead(ctx, before, after)),
          ),
        ),
      audited(ctx, 'clinic.changed', id, id),
      selectClinic(ctx, id),
      ctx.once.keep(sql`SELECT 'changed' FROM clinics WHERE id = ${id} AND change_op = ${op}`),
    ])
    // Also after a failure, because D1 may have committed the change.
    .finally(() => forgetClinic(id))
  const [row] = results[2]
  if (!row) throw notFound('Clinic')
  if (row.changeOp === opId || reply !== null) return row
  if (!isRead || row.version !== before.version)
    throw new Problem('record_changed', 'The clinic has changed since it was read; read it again')
  throw new Problem('days_ahead', DAYS_AHEAD)
}

/** Counts begin at 1. */
const NO_VERSION = 0

const DAYS_AHEAD =
  'Days from yesterday on are in use, and each keeps its time zone; time_zone can change when none is'

type Changed = Pick<ClinicRow, 'name' | 'timeZone' | 'country' | 'settings'>

function changed({ settings, ...before }: ClinicRow, wanted: ChangeClinic): Changed {
  const { name = before.name, time_zone: timeZone = before.timeZone, country = before.country } = wanted
  return { name, timeZone, country, settings: changedSettings(settings, wanted.settings) }
}

function changedSettings(settings: ClinicSettings, wanted: ChangeClinic['settings'] = {}): ClinicSettings {
  const {
    allow_another = settings.allowAnother,
    board_initials = settings.boardInitials,
    waitlist_offer_minutes = settings.waitlistOfferMinutes,
  } = wanted
  return {
    ...(allow_another !== undefined && { allowAnother: allow_another }),
    ...(isDecided(board_initials) && { boardInitials: board_initials }),
    ...(isDecided(waitlist_offer_minutes) && { waitlistOfferMinutes: waitlist_offer_minutes }),
  }
}

/** With null the deployment decides again. */
const isDecided = <Value>(value: Value | null | undefined): value is Value => value != null

/**
 * Whether a day is in use that is yesterday or later in one of the two zones: its visits may not be over, and
 * it keeps the zone of its first event. By doctor, because the days of a clinic have no index by date.
 */
function hasDaysAhead(ctx: Ctx, before: ClinicRow, after: Changed): SQL {
  const [from] = [before, after].map(({ timeZone }) => localDate(ctx.now - DAY_MS, timeZone)).sort()
  return sql`EXISTS (SELECT 1 FROM doctors CROSS JOIN days ON days.clinic_id = doctors.clinic_id
    AND days.doctor_id = doctors.id AND days.date >= ${from} WHERE doctors.clinic_id = ${before.id})`
}
