import { index, integer, primaryKey, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { cursor, limit } from '../lib/page'
import { component, list, text } from '../lib/schema'
import { IsoInstant, iso } from '../lib/time'

/** What is erased after the record, in this order: each may take many steps. */
export const PHASES = ['days', 'tests', 'events', 'files'] as const
export type Phase = (typeof PHASES)[number]

/** How far an erasure has come: the phase, and in it the last thing that was done. */
export type Progress = [Phase, ...(string | number)[]]

export const FIRST: Progress = ['days']
export const AFTER_DAYS: Progress = ['tests']
export type Position = (string | number)[]

/** What a step has done. `until`: where the next step of this phase begins; null: the phase is complete. */
export interface Done {
  sums: Partial<Record<'texts' | 'cancelled' | 'tests' | 'events' | 'stagedRows', number>>
  until: Progress | null
}

/**
 * Patients who were erased. Nothing else is left of them but their id, in appointments and in the logs of
 * days. A restored backup has patients who were erased later, so this list outlives a restore.
 *
 * `doneUntil` is NULL before the first step.
 */
export const erasures = sqliteTable(
  'erasures',
  {
    clinicId: textColumn('clinic_id').notNull(),
    patientId: textColumn('patient_id').notNull(),
    erasedAt: integer('erased_at').notNull(),
    opId: textColumn('op_id').notNull(),
    /** `begun`: visits ahead may still stop it. For a minute the patient can be booked for nothing. */
    state: textColumn('state', { enum: ['begun', 'erasing', 'erased'] }).notNull(),
    /** The names of the fields that the record had. */
    fields: textColumn('fields', { mode: 'json' }).$type<string[]>().notNull(),
    stagedRows: integer('staged_rows').notNull(),
    texts: integer('texts').notNull(),
    cancelled: integer('cancelled').notNull(),
    doneUntil: textColumn('done_until', { mode: 'json' }).$type<Progress>(),
    /** What test records and events call the patient, in lower case. Blank once the erasure is complete. */
    calledBy: textColumn('called_by', { mode: 'json' }).$type<string[]>().notNull(),
    tests: integer('tests').notNull(),
    events: integer('events').notNull(),
    /** The operation that registered the patient: a late retry of it registers nobody. */
    madeBy: textColumn('made_by').notNull(),
    /** The other records of the same person, which were erased in the same step: each has its own row. */
    alsoKnownAs: textColumn('also_known_as', { mode: 'json' }).$type<string[]>().notNull().default([]),
    /** The number of the row that the patient had: lists go on from there (patients/finding.ts). */
    place: integer('place'),
  },
  (t) => [
    primaryKey({ columns: [t.clinicId, t.patientId] }),
    index('erasures_by_time').on(t.clinicId, t.erasedAt, t.patientId),
    index('erasures_made_by').on(t.clinicId, t.madeBy),
  ],
)

/** An erasure that has begun ends or is given up within this time. */
export const ERASING_MS = 60_000

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

/** `state`: `erasing` where some of the work is left; then repeat the request. */
export const Erasure = component('Erasure', {
  patient_id: v.string(),
  erased_at: v.string(),
  state: v.picklist(['erasing', 'erased']),
  /** The code of the problem for which the erasure waits. */
  waits_for: v.optional(v.string()),
  /** `tests` and `events`: those that named the patient lost that name and what they said. */
  erased: v.object({
    fields: v.array(v.string()),
    texts: v.number(),
    staged_rows: v.number(),
    tests: v.number(),
    events: v.number(),
  }),
  appointments_cancelled: v.number(),
  appointments_kept: v.number(),
})
export type Erasure = v.InferOutput<typeof Erasure>

export type ErasureRow = typeof erasures.$inferSelect

const stateOf = ({ state }: ErasureRow) => (state === 'erased' ? state : 'erasing')

/** `rows`: of all records of the person. `appointments`: all of them, also those that were cancelled. */
export function toErasure(
  { patientId, erasedAt }: ErasureRow,
  rows: ErasureRow[],
  appointments: number,
  waitsFor?: string,
): Erasure {
  const sum = (field: 'texts' | 'stagedRows' | 'tests' | 'events' | 'cancelled') =>
    rows.reduce((total, row) => total + row[field], 0)
  return {
    patient_id: patientId,
    erased_at: iso(erasedAt),
    state: rows.every((row) => row.state === 'erased') ? 'erased' : 'erasing',
    ...(waitsFor && { waits_for: waitsFor }),
    erased: {
      fields: [...new Set(rows.flatMap(({ fields }) => fields))],
      texts: sum('texts'),
      staged_rows: sum('stagedRows'),
      tests: sum('tests'),
      events: sum('events'),
    },
    appointments_cancelled: sum('cancelled'),
    appointments_kept: appointments - sum('cancelled'),
  }
}

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

/**
 * `refused`: the patient has checked in today and was not erased; complete the visit, then replay again.
 * `waits_for`: the code of the problem that is in the way. `appointments`: those in the way.
 */
export const ReplayedErasure = component('ReplayedErasure', {
  patient_id: v.string(),
  erased_at: v.string(),
  state: v.picklist(['erasing', 'erased', 'refused']),
  waits_for: v.optional(v.string()),
  appointments: v.optional(v.array(v.string())),
})
export type ReplayedErasure = v.InferOutput<typeof ReplayedErasure>

export const ReplayedErasures = component('ReplayedErasures', { erasures: v.array(ReplayedErasure) })

export type ReplayErasures = v.InferOutput<typeof ReplayErasures>

export const toErased = (row: ErasureRow): ErasedPatient => ({
  patient_id: row.patientId,
  erased_at: iso(row.erasedAt),
  state: stateOf(row),
})
