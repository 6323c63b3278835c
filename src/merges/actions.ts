import { and, eq, type SQL, sql } from 'drizzle-orm'
import { audited } from '../audit/model'
import type { Ctx } from '../context'
import { selectStaying } from '../erasures/staying'
import { selectPatient } from '../patients/actions'
import { patients } from '../patients/model'
import { notFound, Problem } from '../problem'
import {
  type Merge,
  type MergedRecord,
  type MergePatient,
  mergedPatients,
  PERSON_IDS_MAX,
  survivorOf,
  toMerge,
  UNDO_MS,
  type UndoneMerge,
} from './model'
import { alreadyMerged } from './person'

/** What one transaction decides before it writes. The first request keeps it, and a retry gets it again. */
interface Verdict {
  is:
    | 'merged'
    | 'old_merged'
    | 'into_merged'
    | 'too_many_merged'
    | 'undone'
    | 'not_merged'
    | 'merge_final'
    | 'missing'
  /** Where the record that was named has been merged to. */
  survivor: string | null
  at: number
}

/**
 * From now on both ids are of one person, whose record is that of `into`. Of two merges at once that name the
 * same records the first one counts, whichever way round. The old record can be restored for 30 days.
 */
export async function mergePatient(ctx: Ctx, oldId: string, { into }: MergePatient): Promise<Merge> {
  if (into === oldId) throw new Problem('same_patient', SAME)
  const verdict = mergeVerdict(ctx, oldId, into)
  const found = [selectStaying(ctx, oldId), selectStaying(ctx, into)]
  const { results, reply } = await ctx.once.transact(
    (op) => [
      selectVerdict(ctx, verdict),
      ctx.once.keep(verdict),
      ctx.db.insert(mergedPatients).select(
        sql`SELECT ${ctx.clinic.id}, ${oldId}, ${into}, ${into}, ${ctx.now}, ${op}
            WHERE ${decides(ctx, op, verdict, 'merged')}`,
      ),
      audited(ctx, 'patient.merged', oldId),
      ctx.db
        .update(mergedPatients)
        .set({ survivorId: into })
        .where(
          and(
            eq(mergedPatients.clinicId, ctx.clinic.id),
            eq(mergedPatients.survivorId, oldId),
            // Only beside the own merge: a retry may come after an undo.
            sql`EXISTS (SELECT 1 FROM merged_patients own WHERE own.clinic_id = ${ctx.clinic.id}
              AND own.old_id = ${oldId} AND own.op_id = ${ctx.once.opId})`,
          ),
        ),
    ],
    found,
  )
  const { is, survivor, at } = told(reply, results[0])
  if (is === 'merged') return toMerge({ oldId, intoId: into, mergedAt: at })
  if (is === 'old_merged' || is === 'into_merged')
    throw alreadyMerged(survivor ?? '', is === 'old_merged' ? 'This patient' : 'The patient in into')
  throw is === 'too_many_merged' ? new Problem(is, TOO_MANY) : notFound('Patient')
}

/**
 * The old record is a patient of its own again, with everything that was written for it before the merge, and
 * with the records that had been merged into it. What was written since stays with the survivor.
 */
export async function undoMerge(ctx: Ctx, oldId: string): Promise<UndoneMerge> {
  const verdict = undoVerdict(ctx, oldId)
  const { results, reply } = await ctx.once.transact(
    (op) => {
      const isDecided = decides(ctx, op, verdict, 'undone')
      return [
        selectVerdict(ctx, verdict),
        ctx.once.keep(verdict),
        ctx.db
          .update(mergedPatients)
          .set({ survivorId: oldId })
          .where(
            and(
              eq(mergedPatients.clinicId, ctx.clinic.id),
              sql`${mergedPatients.oldId} IN ${mergedBelow(ctx, oldId)}`,
              isDecided,
            ),
          ),
        ctx.db
          .delete(mergedPatients)
          .where(and(eq(mergedPatients.clinicId, ctx.clinic.id), eq(mergedPatients.oldId, oldId), isDecided)),
        audited(ctx, 'patient.unmerged', oldId),
      ]
    },
    [selectStaying(ctx, oldId)],
  )
  const { is, survivor } = told(reply, results[0])
  if (is === 'undone') return { patient_id: oldId, was_merged_into: survivor ?? '' }
  if (is === 'not_merged') throw new Problem(is, NOT_MERGED)
  throw is === 'merge_final' ? new Problem(is, FINAL) : notFound('Patient')
}

/** The records that were merged into the one in use of this patient, the latest first. */
export async function listMerges(ctx: Ctx, id: string): Promise<MergedRecord[]> {
  const [[patient], rows] = await ctx.db.batch([
    selectPatient(ctx, id),
    ctx.db
      .select(MERGED_RECORD)
      .from(mergedPatients)
      .crossJoin(patients)
      .where(
        sql`${mergedPatients.clinicId} = ${ctx.clinic.id}
          AND ${mergedPatients.survivorId} = ${survivorOf(ctx.clinic.id, sql`${id}`)}
          AND ${patients.id} = ${mergedPatients.oldId} AND +${patients.clinicId} = ${ctx.clinic.id}`,
      ),
  ])
  if (!patient) throw notFound('Patient')
  return rows
    .sort((one, other) => other.mergedAt - one.mergedAt)
    .map(({ name, phone, birthDate, ...merge }) => ({
      ...toMerge(merge),
      ...{ name, phone, birth_date: birthDate },
    }))
}

const { oldId, intoId, mergedAt } = mergedPatients
const { name, phone, birthDate } = patients
const MERGED_RECORD = { oldId, intoId, mergedAt, name, phone, birthDate }

const told = (kept: string | null, [row]: { verdict: string }[]): Verdict =>
  JSON.parse(kept ?? row?.verdict ?? '{}')

/** In a batch, in which the first statement that writes makes the verdict another one. */
const selectVerdict = (ctx: Ctx, verdict: SQL) =>
  ctx.db.select({ verdict: sql<string>`verdict` }).from(sql`(SELECT (${verdict}) AS verdict)`)

/** A retry decides nothing: it gets what the first request has kept. */
const decides = (ctx: Ctx, op: SQL<string>, verdict: SQL, is: Verdict['is']): SQL =>
  sql`${op} = ${ctx.once.opId} AND (${verdict})->>'is' = ${is}`

function mergeVerdict(ctx: Ctx, oldId: string, into: string): SQL {
  const merged = (id: string) => sql`(SELECT survivor_id FROM merged_patients
    WHERE clinic_id = ${ctx.clinic.id} AND old_id = ${id})`
  const others = (id: string) => sql`(SELECT count(*) FROM merged_patients
    WHERE clinic_id = ${ctx.clinic.id} AND survivor_id = ${id})`
  return sql`SELECT json_object('is', CASE
      WHEN NOT ${isThere(ctx, oldId)} OR NOT ${isThere(ctx, into)} THEN 'missing'
      WHEN ${merged(oldId)} IS NOT NULL THEN 'old_merged'
      WHEN ${merged(into)} IS NOT NULL THEN 'into_merged'
      WHEN ${others(oldId)} + ${others(into)} + 2 > ${PERSON_IDS_MAX} THEN 'too_many_merged'
      ELSE 'merged' END,
    'survivor', coalesce(${merged(oldId)}, ${merged(into)}), 'at', ${ctx.now})`
}

function undoVerdict(ctx: Ctx, oldId: string): SQL {
  const own = sql`FROM merged_patients WHERE clinic_id = ${ctx.clinic.id} AND old_id = ${oldId}`
  return sql`SELECT json_object('is', CASE
      WHEN NOT ${isThere(ctx, oldId)} THEN 'missing'
      WHEN NOT EXISTS (SELECT 1 ${own}) THEN 'not_merged'
      WHEN (SELECT merged_at ${own}) <= ${ctx.now - UNDO_MS} THEN 'merge_final'
      ELSE 'undone' END, 'survivor', (SELECT into_id ${own}), 'at', ${ctx.now})`
}

const isThere = (ctx: Ctx, id: string): SQL => sql`EXISTS ${selectStaying(ctx, id)}`

/** The records that were merged into this one, and those merged into these: `survivor_id` names no middle. */
const mergedBelow = (ctx: Ctx, id: string): SQL => sql`(
  WITH RECURSIVE below(id) AS (
    SELECT ${id}
    UNION SELECT m.old_id FROM below CROSS JOIN merged_patients m ON m.clinic_id = ${ctx.clinic.id}
      AND m.survivor_id = (SELECT survivor_id FROM merged_patients
        WHERE clinic_id = ${ctx.clinic.id} AND old_id = ${id})
      AND m.into_id = below.id)
  SELECT id FROM below WHERE id <> ${id})`

const SAME = 'into is the same patient; send the id of the other record, which is to stay'
const TOO_MANY = `A person may have at most ${PERSON_IDS_MAX} records; undo a merge first`
const NOT_MERGED = 'This patient is not merged into another one, or the merge is undone already'
const FINAL = 'The merge is more than 30 days old, so it cannot be undone'
