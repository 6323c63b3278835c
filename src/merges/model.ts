import { type SQL, sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text as textColumn } from 'drizzle-orm/sqlite-core'
import * as v from 'valibot'
import { limit } from '../lib/page'
import { component, text } from '../lib/schema'
import { DAY_MS, iso } from '../lib/time'
import { Patient } from '../patients/model'

/**
 * Records that were merged into others, because both are of one person. Nothing else is written: the old
 * record stays as it is, and so do appointments and logs that name it; whatever reads them asks this table
 * who that is. So an undo only removes the row.
 *
 * `intoId` is the record that the caller named. `survivorId` is where it has been merged to since: the one
 * record of the person that is in use. It is never an old record of this table.
 */
export const mergedPatients = sqliteTable(
  'merged_patients',
  {
    clinicId: textColumn('clinic_id').notNull(),
    oldId: textColumn('old_id').notNull(),
    intoId: textColumn('into_id').notNull(),
    survivorId: textColumn('survivor_id').notNull(),
    mergedAt: integer('merged_at').notNull(),
    /** The operation that made the merge. */
    opId: textColumn('op_id').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.clinicId, t.oldId] }),
    index('merged_patients_by_survivor').on(t.clinicId, t.survivorId, t.oldId),
  ],
)

/** A request about a person reads so many records and appointments under so many ids. */
export const PERSON_IDS_MAX = 20

const UNDO_DAYS = 30
export const UNDO_MS = UNDO_DAYS * DAY_MS

/** The id of the record in use of whoever has this id, also where nothing was merged. */
export const survivorOf = (clinicId: string, id: SQL): SQL<string> => sql`coalesce((SELECT m.survivor_id
  FROM merged_patients m WHERE m.clinic_id = ${clinicId} AND m.old_id = ${id}), ${id})`

export const MergePatient = component('MergePatient', {
  /** The id of the record that stays. */
  into: text(100),
})
export type MergePatient = v.InferOutput<typeof MergePatient>

/** Until `undo_until` the merge can be undone. */
export const Merge = component('Merge', {
  patient_id: v.string(),
  merged_into: v.string(),
  merged_at: v.string(),
  undo_until: v.string(),
})
export type Merge = v.InferOutput<typeof Merge>

export const toMerge = ({
  oldId,
  intoId,
  mergedAt,
}: Pick<typeof mergedPatients.$inferSelect, 'oldId' | 'intoId' | 'mergedAt'>): Merge => ({
  patient_id: oldId,
  merged_into: intoId,
  merged_at: iso(mergedAt),
  undo_until: iso(mergedAt + UNDO_MS),
})

export const UndoneMerge = component('UndoneMerge', { patient_id: v.string(), was_merged_into: v.string() })
export type UndoneMerge = v.InferOutput<typeof UndoneMerge>

/** A record that was merged into the one that was asked for, with what it says. */
export const MergedRecord = component('MergedRecord', {
  ...Merge.entries,
  name: v.string(),
  phone: v.string(),
  birth_date: v.nullable(v.string()),
})
export type MergedRecord = v.InferOutput<typeof MergedRecord>

/** `score`: from 50 to 100. `agrees`: what the two records have in common; a name may do so nearly. */
export const Duplicate = component('Duplicate', {
  score: v.number(),
  agrees: v.array(v.picklist(['phone', 'name', 'birth_date'])),
  ...Patient.entries,
})
export type Duplicate = v.InferOutput<typeof Duplicate>

export const AskDuplicates = v.object({ limit: limit(10) })
export type AskDuplicates = v.InferOutput<typeof AskDuplicates>

export const AskMerges = v.object({})
