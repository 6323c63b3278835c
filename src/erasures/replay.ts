import { sql } from 'drizzle-orm'
import { today } from '../access/actions'
import type { Ctx } from '../context'
import { invalid, named } from '../http/failure'
import { instantOf, MINUTE_MS } from '../lib/time'
import { selectPatient } from '../patients/actions'
import { daysJustAsked, WORK_MS_MAX } from './actions'
import { selectAhead } from './days'
import { type ReplayErasures, type ReplayedErasure, toErased } from './model'
import { eraseRecords, markErasing, selectErasure, unmarkErasing } from './records'
import { eraseRemainder } from './remainder'

/** The clock of the machine that wrote the list may be ahead by so much. */
const CLOCK_MS_MAX = 5 * MINUTE_MS

/** For all patients of one request together, well within the time for which one is marked. */
const REPLAY_MS_MAX = 30_000

/**
 * Erases again whom a restored backup has brought back. What has been erased already stays so; a visit ahead
 * is cancelled, because the patient was erased before the restore. Each patient has an answer of their own:
 * one who cannot be erased now does not keep the others.
 */
export async function replayErasures(
  ctx: Ctx,
  { erasures: told }: ReplayErasures,
): Promise<ReplayedErasure[]> {
  const faults = told.flatMap(({ erased_at }, index) =>
    Date.parse(instantOf(erased_at)) > ctx.now + CLOCK_MS_MAX ? [laterThanNow(index)] : [],
  )
  if (faults.length > 0) throw invalid(faults)
  await ctx.once.claim()
  const until = Date.now() + REPLAY_MS_MAX
  const replayed: ReplayedErasure[] = []
  for (const one of told) replayed.push(await replay(ctx, one, until))
  return replayed
}

function laterThanNow(index: number) {
  const field = `erasures.${index}.erased_at`
  return { field, rule: 'value', message: `${named(field)} must not be later than now` }
}

async function replay(
  ctx: Ctx,
  { patient_id: id, erased_at }: ReplayErasures['erasures'][number],
  until: number,
): Promise<ReplayedErasure> {
  const [, [patient], [known]] = await ctx.db.batch([
    markErasing(ctx, sql`(${id})`),
    selectPatient(ctx, id),
    selectErasure(ctx, id),
  ])
  await daysJustAsked(ctx, id)
  if (!patient && !known) return { patient_id: id, erased_at, state: 'erased' }
  const inTheClinic = patient ? await checkedIn(ctx, id) : []
  if (inTheClinic.length > 0) {
    await unmarkErasing(ctx, [id])
    const refused = { state: 'refused', waits_for: 'appointments_ahead', appointments: inTheClinic } as const
    return { patient_id: id, erased_at, ...refused }
  }
  const erasedAt = Date.parse(instantOf(erased_at))
  if (patient) await ctx.db.batch(eraseRecords(ctx, [patient], sql`${ctx.once.opId}`, erasedAt))
  const [begun = known] = await selectErasure(ctx, id)
  if (!begun) return { patient_id: id, erased_at, state: 'erased' }
  const { row, why } = await eraseRemainder(ctx, begun, Math.min(until, Date.now() + WORK_MS_MAX))
  return { ...toErased(row), ...(why && { waits_for: why }) }
}

/** Who is in the clinic now is not erased, as by any other request. */
async function checkedIn(ctx: Ctx, id: string): Promise<string[]> {
  const ahead = await selectAhead(ctx, [id], today(ctx))
  return ahead.flatMap((visit) => (visit.status === 'checked_in' ? [visit.id] : []))
}
