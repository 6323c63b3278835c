import { index, integer, primaryKey, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { cursor, limit } from '../lib/page'
import { component, list, text } from '../lib/schema'
import { IsoInstant, iso } from '../lib/time'

/**
 * Patients who were erased. Nothing else is left of them but their id, in appointments and in the logs of
 * days. A restored backup has patients who were erased later, so this list outlives a restore.
 *
 * `doneUntil`: the last day whose texts were erased; the others follow in this order.
 */
export const erasures = sqliteTable(
  'erasures',
  {
    clinicId: textColumn('clinic_id').notNull(),
    patientId: textColumn('patient_id').notNull(),
    erasedAt: integer('erased_at').notNull(),
    opId: textColumn('op_id').notNull(),
    state: textColumn('state', { enum: ['erasing', 'erased'] }).notNull(),
    /** The names of the fields that the record had. */
    fields: textColumn('fields', { mode: 'json' }).$type<string[]>().notNull(),
    stagedRows: integer('staged_rows').notNull(),
    texts: integer('texts').notNull(),
    cancelled: integer('cancelled').notNull(),
    doneUntil: textColumn('done_until', { mode: 'json' }).$type<[date: string, doctorId: string]>(),
  },
  (t) => [
    primaryKey({ columns: [t.clinicId, t.patientId] }),
    index('erasures_by_time').on(t.clinicId, t.erasedAt, t.patientId),
  ],
)

/** `cancel_ahead`: appointments from today on are cancelled; without it they stop the erasure. */
export const EraseQuery = v.object({
  cancel_ahead: v.optional(
    v.pipe(
      v.picklist(['true', 'false'], 'must be true or false'),
      v.transform((told) => told === 'true'),
    ),
    'false',
  ),
})
export type EraseQuery = v.InferOutput<typeof EraseQuery>

/** `state`: `erasing` where some days could not be asked yet; then repeat the request. */
export const Erasure = component('Erasure', {
  patient_id: v.string(),
  erased_at: v.string(),
  state: v.picklist(['erasing', 'erased']),
  /** The code of the problem for which the erasure waits. */
  waits_for: v.optional(v.string()),
  erased: v.object({ fields: v.array(v.string()), texts: v.number(), staged_rows: v.number() }),
  appointments_cancelled: v.number(),
  appointments_kept: v.number(),
})
export type Erasure = v.InferOutput<typeof Erasure>

export type ErasureRow = typeof erasures.$inferSelect

export const toErasure = (row: ErasureRow, kept: number, waitsFor?: string): Erasure => ({
  patient_id: row.patientId,
  erased_at: iso(row.erasedAt),
  state: row.state,
  ...(waitsFor && { waits_for: waitsFor }),
  erased: { fields: row.fields, texts: row.texts, staged_rows: row.stagedRows },
  appointments_cancelled: row.cancelled,
  appointments_kept: kept,
})

/** Whoever was erased, and when. */
export const ErasedPatient = component('ErasedPatient', {
  patient_id: v.string(),
  erased_at: v.string(),
  state: v.picklist(['erasing', 'erased']),
})
export type ErasedPatient = v.InferOutput<typeof ErasedPatient>

/** `since`: those who were erased then or later. */
export const ListErasures = v.object({
  since: v.optional(IsoInstant),
  limit: limit(100),
  cursor: cursor(v.number(), v.string()),
})
export type ListErasures = v.InferOutput<typeof ListErasures>

/** As many as a request has time for. */
const REPLAYED_MAX = 100

/** What a list of erasures said, after a restore of an older backup. */
export const ReplayErasures = component('ReplayErasures', {
  erasures: list(v.object({ patient_id: text(100), erased_at: IsoInstant }), REPLAYED_MAX, 'erasure'),
})
export const ReplayedErasures = component('ReplayedErasures', { erasures: v.array(ErasedPatient) })

export type ReplayErasures = v.InferOutput<typeof ReplayErasures>
